//! The name of one recipe variant: `mc:NAME:virtual:CLASS:/path/recipe.bb` and its shorter forms.

use std::fmt;

/// A virtual file name taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VirtualFile<'a> {
    /// Multiconfig, "" for the default one.
    pub mc: &'a str,
    /// Class of the variant, perhaps with an argument (`devupstream:target`), "" for the recipe itself.
    pub class: &'a str,
    /// Path of the recipe.
    pub path: &'a str,
}

impl<'a> VirtualFile<'a> {
    /// Takes `name` apart; any text is accepted, one without prefixes is a plain path.
    pub fn parse(name: &'a str) -> VirtualFile<'a> {
        let (mc, rest) = match name.strip_prefix("mc:").and_then(|rest| rest.split_once(':')) {
            Some((mc, rest)) => (mc, rest),
            None => ("", name),
        };
        match rest.strip_prefix("virtual:").map(|rest| rest.rsplit_once(':').unwrap_or(("", rest))) {
            Some((class, path)) => VirtualFile { mc, class, path },
            None => VirtualFile { mc, class: "", path: rest },
        }
    }

    /// The last part of the path.
    pub fn base_name(&self) -> &'a str {
        base_name(self.path)
    }
}

impl fmt::Display for VirtualFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.mc.is_empty() {
            write!(f, "mc:{}:", self.mc)?;
        }
        if !self.class.is_empty() {
            write!(f, "virtual:{}:", self.class)?;
        }
        f.write_str(self.path)
    }
}

/// What follows the last slash.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_taken_apart_and_put_together() {
        for (name, mc, class, path) in [
            ("/l/a.bb", "", "", "/l/a.bb"),
            ("virtual:native:/l/a.bb", "", "native", "/l/a.bb"),
            ("virtual:devupstream:target:/l/a.bb", "", "devupstream:target", "/l/a.bb"),
            ("mc:x:/l/a.bb", "x", "", "/l/a.bb"),
            ("mc:x:virtual:native:/l/a.bb", "x", "native", "/l/a.bb"),
        ] {
            let file = VirtualFile::parse(name);
            assert_eq!((file.mc, file.class, file.path), (mc, class, path));
            assert_eq!(file.to_string(), name);
            assert_eq!(file.base_name(), "a.bb");
        }
    }

    #[test]
    fn odd_names_are_paths() {
        assert_eq!(VirtualFile::parse("mc:x").path, "mc:x");
        assert_eq!(VirtualFile::parse("virtual:x").path, "x");
        assert_eq!(VirtualFile::parse("").path, "");
    }
}
