//! Whether two spellings may be of one file.

/// Tells whether a name that a command gives may be of a file: all parts of the shorter one are the last of the longer one.
pub(in crate::prompt::linking) fn is_path_of(name: &str, path: &str) -> bool {
    let parts = |path: &'_ str| -> Vec<String> {
        let kept = path
            .split('/')
            .filter(|part| !matches!(*part, "" | "." | ".."));
        kept.map(str::to_owned).collect()
    };
    let (name, path) = (parts(name), parts(path));
    let (shorter, longer) = if name.len() <= path.len() {
        (name, path)
    } else {
        (path, name)
    };
    !shorter.is_empty() && longer.ends_with(&shorter)
}
