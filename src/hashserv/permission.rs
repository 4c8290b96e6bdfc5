//! What a user may do.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// One permission. They sort by their names, as answers list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// `@all`: everything, and what will be added later.
    All,
    /// `@db-admin`: remove and collect hashes.
    DbAdmin,
    /// `@read`: ask for hashes.
    Read,
    /// `@report`: tell hashes.
    Report,
    /// `@user-admin`: make, change and delete users.
    UserAdmin,
}

impl Permission {
    /// All of them.
    pub const EVERY: [Permission; 5] =
        [Permission::All, Permission::DbAdmin, Permission::Read, Permission::Report, Permission::UserAdmin];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Permission::All => "@all",
            Permission::DbAdmin => "@db-admin",
            Permission::Read => "@read",
            Permission::Report => "@report",
            Permission::UserAdmin => "@user-admin",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Words that are no permissions.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("Unknown permissions {0}")]
pub struct BadPermission(pub String);

/// A set of permissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(BTreeSet<Permission>);

impl Permissions {
    /// What everybody may do unless the server's operator says otherwise: read, report, administer the database.
    pub fn anonymous_default() -> Permissions {
        [Permission::DbAdmin, Permission::Read, Permission::Report].into_iter().collect()
    }

    /// Reads words; `@none` is one that says nothing.
    pub fn from_words<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Permissions, BadPermission> {
        let mut found = BTreeSet::new();
        let mut unknown = BTreeSet::new();
        for word in words.into_iter().filter(|word| *word != "@none") {
            match Permission::EVERY.into_iter().find(|permission| permission.name() == word) {
                Some(permission) => drop(found.insert(permission)),
                None => drop(unknown.insert(word)),
            }
        }
        if unknown.is_empty() {
            return Ok(Permissions(found));
        }
        Err(BadPermission(unknown.into_iter().collect::<Vec<_>>().join(", ")))
    }

    /// As the database keeps them. Names it does not know grant nothing.
    pub fn stored(text: &str) -> Permissions {
        let known = |word| Permission::EVERY.into_iter().find(|permission| permission.name() == word);
        text.split_whitespace().filter_map(known).collect()
    }

    /// Whether all of `needed` is granted.
    pub fn allow(&self, needed: &[Permission]) -> bool {
        self.0.contains(&Permission::All) || needed.iter().all(|permission| self.0.contains(permission))
    }

    /// The first that nobody may have without saying who he is.
    pub fn unfit_for_anonymous(&self) -> Option<Permission> {
        self.0.iter().copied().find(|p| matches!(p, Permission::All | Permission::UserAdmin))
    }

    /// The names, sorted, as the database keeps them.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|permission| permission.name()).collect()
    }

    /// The names as answers give them: `@all` written out.
    pub fn spelled_out(&self) -> Vec<&'static str> {
        let all = self.0.contains(&Permission::All);
        Permission::EVERY.into_iter().filter(|p| all || self.0.contains(p)).map(Permission::name).collect()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Permissions(permissions.into_iter().collect())
    }
}

impl FromStr for Permissions {
    type Err = BadPermission;

    /// Reads a list with commas or blanks.
    fn from_str(text: &str) -> Result<Self, BadPermission> {
        let words = text.split(|c: char| c == ',' || c.is_whitespace());
        Permissions::from_words(words.filter(|word| !word.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_written_out_and_allows_everything() {
        let all: Permissions = "@all".parse().unwrap();
        assert_eq!(all.spelled_out(), ["@all", "@db-admin", "@read", "@report", "@user-admin"]);
        assert!(all.allow(&[Permission::UserAdmin, Permission::Read]));
        assert_eq!(all.unfit_for_anonymous(), Some(Permission::All));
    }

    #[test]
    fn none_grants_nothing_and_unknown_words_are_told_in_order() {
        assert_eq!("@none".parse(), Ok(Permissions::default()));
        assert_eq!(
            "@z,@read @a".parse::<Permissions>().unwrap_err().to_string(),
            "Unknown permissions @a, @z"
        );
        assert!(!Permissions::default().allow(&[Permission::Read]));
    }
}
