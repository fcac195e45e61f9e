//! Rust sources as `tidy` sees them: text, syntax tree, and whether they are test code.
//!
//! Test code is a `tests.rs`, anything in a `tests`, `benches` or `fuzz` folder, and every module
//! declared under `#[cfg(test)]`.

use anyhow::{Context, Result};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One file that parses.
pub(super) struct SourceFile {
    /// Relative to the root of the checkout.
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) syntax: syn::File,
    pub(super) is_test: bool,
}

impl SourceFile {
    pub(super) fn parse(path: impl Into<PathBuf>, text: impl Into<String>) -> Result<Self> {
        let (path, text) = (path.into(), text.into());
        let syntax = syn::parse_file(&text)
            .with_context(|| format!("{} is not valid Rust", path.display()))?;
        let is_test = has_test_place(&path) || syntax.attrs.iter().any(is_cfg_test);
        Ok(Self {
            path,
            text,
            syntax,
            is_test,
        })
    }

    /// The lines of the module documentation the file opens with, without `//!`.
    pub(super) fn module_doc(&self) -> impl Iterator<Item = &str> {
        self.text
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(str::trim)
    }

    /// Whether this is code of a library or program that users run, rather than our own tooling.
    pub(super) fn is_product(&self) -> bool {
        self.path.starts_with("crates") && !self.is_test
    }
}

/// Reads every `.rs` file below `dirs`.
pub(super) fn load(root: &Path, dirs: &[&str]) -> Result<Vec<SourceFile>> {
    let mut paths = Vec::new();
    for dir in dirs {
        collect(&root.join(dir), &mut paths)?;
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let relative = path.strip_prefix(root).unwrap_or(&path);
        files.push(SourceFile::parse(relative, text)?);
    }
    mark_test_modules(&mut files);
    Ok(files)
}

/// Whether an attribute says that what follows exists in tests only.
pub(super) fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute
            .parse_args::<syn::Path>()
            .is_ok_and(|condition| condition.is_ident("test"))
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            let name = entry.file_name();
            if name != "target" && !name.to_string_lossy().starts_with('.') {
                collect(&path, paths)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}

fn has_test_place(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs")
        || path.components().any(|component| {
            let name = component.as_os_str();
            ["tests", "benches", "fuzz"]
                .iter()
                .any(|test| name == *test)
        })
}

/// Follows `#[cfg(test)] mod name;` to the file it names.
pub(super) fn mark_test_modules(files: &mut [SourceFile]) {
    let mut test_modules = HashSet::new();
    for file in files.iter() {
        let children = children_dir(&file.path);
        for item in &file.syntax.items {
            if let syn::Item::Mod(module) = item
                && module.content.is_none()
                && module.attrs.iter().any(is_cfg_test)
            {
                test_modules.insert(children.join(module.ident.to_string()));
            }
        }
    }
    for file in files {
        let stem = file.path.with_extension("");
        file.is_test |= stem
            .ancestors()
            .any(|ancestor| test_modules.contains(ancestor));
    }
}

/// Where the modules that `path` declares live.
fn children_dir(path: &Path) -> PathBuf {
    let is_folder_module = path.file_name().is_some_and(|name| {
        ["mod.rs", "lib.rs", "main.rs"]
            .iter()
            .any(|own| name == *own)
    });
    if is_folder_module {
        path.parent().unwrap_or(Path::new("")).to_path_buf()
    } else {
        path.with_extension("")
    }
}
