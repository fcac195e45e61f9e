//! What must not stand in a file: panics on input paths, missing module docs, test shortcuts.
//!
//! Works on one file; sees inside macro calls by their tokens. Knows no other file.

use super::Problem;
use super::source::{SourceFile, is_cfg_test};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Macros that end the process on what may be input. Assertions on our own state stay allowed.
const PANIC_MACROS: [&str; 4] = ["panic", "todo", "unimplemented", "unreachable"];
/// Names that say nothing about what belongs into a module.
const GRAB_BAG_NAMES: [&str; 5] = ["util", "utils", "misc", "helpers", "common"];
/// How the message of an allowed `expect` begins.
const EXPECT_PREFIX: &str = "invariant";

pub(super) fn check(file: &SourceFile) -> Vec<Problem> {
    let mut scan = Scan {
        file,
        problems: Vec::new(),
    };
    scan.check_text();
    scan.visit_file(&file.syntax);
    scan.problems
}

struct Scan<'a> {
    file: &'a SourceFile,
    problems: Vec<Problem>,
}

impl Scan<'_> {
    fn report(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push(Problem {
            path: self.file.path.clone(),
            line,
            message: message.into(),
        });
    }

    fn check_text(&mut self) {
        let file = self.file;
        // A tests.rs is told by the module it tests.
        let is_tests_file = file.path.ends_with("tests.rs");
        if !is_tests_file && file.module_doc().all(str::is_empty) {
            self.report(
                1,
                "open the module with `//!`: what it owns and what it must not know",
            );
        }
        let stem = file.path.file_stem().unwrap_or_default().to_string_lossy();
        if GRAB_BAG_NAMES.contains(&stem.as_ref()) {
            self.report(
                0,
                format!("{stem} is a grab bag: name what the module is for"),
            );
        }
        let marks = [
            concat!("TO", "DO"),
            concat!("FIX", "ME"),
            concat!("X", "XX"),
        ];
        for (index, line) in file.text.lines().enumerate() {
            let comment = line.split_once("//").map_or("", |(_, comment)| comment);
            let mut words = comment.split(|c: char| !c.is_alphanumeric());
            if words.any(|word| marks.contains(&word)) {
                self.report(index + 1, "finish it, or write an issue, instead of a mark");
            }
        }
    }

    fn check_method(&mut self, method: &str, argument: Option<String>, line: usize) {
        match method {
            "unwrap" | "unwrap_err" => self.report(
                line,
                format!("`{method}` may panic on input: return an error, or `expect` an invariant"),
            ),
            "expect" | "expect_err" => {
                let states_invariant =
                    argument.is_some_and(|message| message.starts_with(EXPECT_PREFIX));
                if !states_invariant {
                    self.report(
                        line,
                        format!("`{method}` must state its invariant: \"{EXPECT_PREFIX}: …\""),
                    );
                }
            }
            _ => {}
        }
    }

    fn check_macro_name(&mut self, name: &str, line: usize) {
        if PANIC_MACROS.contains(&name) {
            self.report(
                line,
                format!("`{name}!` may panic on input: return an error"),
            );
        }
    }

    /// Looks for the same bans inside the tokens of a macro call, which have no syntax tree.
    fn check_tokens(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, tree) in trees.iter().enumerate() {
            match tree {
                TokenTree::Group(group) => self.check_tokens(group.stream()),
                TokenTree::Ident(ident) => {
                    let name = ident.to_string();
                    let line = ident.span().start().line;
                    match trees.get(index + 1) {
                        Some(TokenTree::Punct(next)) if next.as_char() == '!' => {
                            self.check_macro_name(&name, line);
                        }
                        Some(TokenTree::Group(call))
                            if call.delimiter() == Delimiter::Parenthesis
                                && follows_dot(&trees, index) =>
                        {
                            let argument = syn::parse2::<syn::LitStr>(call.stream());
                            self.check_method(&name, argument.ok().map(|text| text.value()), line);
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Scan<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !module.attrs.iter().any(is_cfg_test) {
            visit::visit_item_mod(self, module);
        } else if module.content.is_some() {
            self.report(
                module.span().start().line,
                "move the tests to a sibling tests.rs: `#[cfg(test)] mod tests;`",
            );
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        // A helper for tests only may panic like a test.
        let is_test_code = function.attrs.iter().any(is_cfg_test);
        if !is_test_code {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        if !block.attrs.iter().any(is_cfg_test) {
            visit::visit_item_impl(self, block);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !function.attrs.iter().any(is_cfg_test) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let line = attribute.span().start().line;
        if attribute.path().is_ident("ignore") {
            self.report(
                line,
                "an ignored test tests nothing: make it run, or remove it",
            );
        }
        let allows = attribute.path().is_ident("allow") || attribute.path().is_ident("expect");
        if allows
            && let syn::Meta::List(list) = &attribute.meta
            && mentions(&list.tokens, "dead_code")
        {
            self.report(line, "remove the dead code instead of allowing it");
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if self.file.is_product() {
            let argument = match call.args.first() {
                Some(syn::Expr::Lit(syn::ExprLit {
                    lit: syn::Lit::Str(text),
                    ..
                })) => Some(text.value()),
                _ => None,
            };
            // A parser's own `expect(token, what)` is another method.
            if call.args.len() <= 1 {
                let line = call.method.span().start().line;
                self.check_method(&call.method.to_string(), argument, line);
            }
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if self.file.is_product() {
            if let Some(name) = call.path.segments.last() {
                self.check_macro_name(&name.ident.to_string(), name.ident.span().start().line);
            }
            self.check_tokens(call.tokens.clone());
        }
    }
}

fn follows_dot(trees: &[TokenTree], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|before| trees.get(before));
    matches!(before, Some(TokenTree::Punct(dot)) if dot.as_char() == '.')
}

fn mentions(tokens: &TokenStream, word: &str) -> bool {
    tokens
        .clone()
        .into_iter()
        .any(|tree| matches!(tree, TokenTree::Ident(ident) if ident == word))
}
