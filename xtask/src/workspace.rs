//! Where things are: the root of this checkout and the cache of the user.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The root of the checkout this `xtask` was built from.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("invariant: xtask lies in a folder of the workspace")
}

/// Where downloads that outlive a checkout are kept: `$XDG_CACHE_HOME/milena`, else `~/.cache/milena`.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("milena"))
        .context("neither XDG_CACHE_HOME nor HOME is set: set one, downloads are kept below it")
}
