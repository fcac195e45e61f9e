//! How long files and functions are: one limit with a way out, and a report.
//!
//! Counts product and tooling code without its tests; says nothing about what the code does.

use super::Problem;
use super::source::{SourceFile, is_cfg_test};
use std::fmt::Write;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A longer file needs a line `Size: why` in its module doc.
const FILE_LINES_MAX: usize = 700;
/// What the report counts as a long function.
const FUNCTION_LINES_LONG: usize = 70;
const LONGEST_COUNT: usize = 10;
const SIZE_REASON: &str = "Size:";

/// A function and how many lines it takes, signature included.
#[derive(Debug, PartialEq, Eq)]
struct FunctionSize {
    lines: usize,
    name: String,
    line: usize,
}

pub(super) fn check(file: &SourceFile) -> Option<Problem> {
    let lines = file.text.lines().count();
    let has_reason = file.module_doc().any(|line| {
        line.strip_prefix(SIZE_REASON)
            .is_some_and(|reason| !reason.trim().is_empty())
    });
    (!file.is_test && lines > FILE_LINES_MAX && !has_reason).then(|| Problem {
        path: file.path.clone(),
        line: 0,
        message: format!(
            "{lines} lines: split it along its meaning, or say why not in the module doc \
             (`//! {SIZE_REASON} …`)"
        ),
    })
}

/// Medians, the share of long functions, the longest ten files and functions.
pub(super) fn report(files: &[SourceFile]) -> String {
    let files: Vec<&SourceFile> = files.iter().filter(|file| !file.is_test).collect();
    let mut file_sizes: Vec<(usize, String)> = Vec::new();
    let mut functions: Vec<(FunctionSize, &SourceFile)> = Vec::new();
    for file in files {
        let lines = file.text.lines().count();
        file_sizes.push((lines, file.path.display().to_string()));
        functions.extend(function_sizes(file).into_iter().map(|size| (size, file)));
    }
    file_sizes.sort_by_key(|(lines, _)| std::cmp::Reverse(*lines));
    functions.sort_by_key(|(size, _)| std::cmp::Reverse(size.lines));

    let long = functions
        .iter()
        .take_while(|(size, _)| size.lines > FUNCTION_LINES_LONG)
        .count();
    let mut text = String::new();
    let mut line = |line: String| {
        writeln!(text, "{line}").expect("invariant: writing to a String succeeds");
    };
    line(format!(
        "files: {} without tests, median {} lines; functions: {}, median {} lines, {:.1} % over {}",
        file_sizes.len(),
        median(file_sizes.iter().map(|(lines, _)| *lines)),
        functions.len(),
        median(functions.iter().map(|(size, _)| size.lines)),
        percent(long, functions.len()),
        FUNCTION_LINES_LONG,
    ));
    line("longest files:".to_owned());
    for (lines, path) in file_sizes.iter().take(LONGEST_COUNT) {
        line(format!("  {lines:>5}  {path}"));
    }
    line("longest functions:".to_owned());
    for (size, file) in functions.iter().take(LONGEST_COUNT) {
        let place = file.path.display();
        line(format!(
            "  {:>5}  {} ({place}:{})",
            size.lines, size.name, size.line
        ));
    }
    text
}

fn function_sizes(file: &SourceFile) -> Vec<FunctionSize> {
    let mut collector = FunctionCollector { sizes: Vec::new() };
    collector.visit_file(&file.syntax);
    collector.sizes
}

fn median(values: impl Iterator<Item = usize>) -> usize {
    let mut values: Vec<usize> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        100.0 * part as f64 / whole as f64
    }
}

struct FunctionCollector {
    sizes: Vec<FunctionSize>,
}

impl FunctionCollector {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.span().start().line;
        let last = block.span().end().line;
        self.sizes.push(FunctionSize {
            lines: last + 1 - first,
            name: signature.ident.to_string(),
            line: first,
        });
    }
}

impl<'ast> Visit<'ast> for FunctionCollector {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !module.attrs.iter().any(is_cfg_test) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}
