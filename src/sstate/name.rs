//! Where an object is in the cache: two folders of its hash, then `SPEC` `HASH` `_` `TASK` `.tar.zst`.

use super::SstateError;

/// Which of an object's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// The archive.
    Archive,
    /// What went into the task's hash.
    Siginfo,
}

/// The longest file name; the archive leaves room for `.siginfo`.
const LONGEST: usize = 254;

/// The path of an object below the cache. `spec` is `sstate:PN:ARCH-OS:PV:PR:PKGARCH:VERSION:`.
///
/// Names that are too long lose characters of the architecture, version and revision, which are there for people only.
///
/// # Errors
///
/// The name stays too long, or `spec` does not have these parts.
pub fn object_name(spec: &str, hash: &str, task: &str, extension: Extension) -> Result<String, SstateError> {
    let (suffix, limit) = match extension {
        Extension::Archive => (".tar.zst", LONGEST - ".siginfo".len()),
        Extension::Siginfo => (".tar.zst.siginfo", LONGEST),
    };
    let hash = if hash.is_empty() { "INVALID" } else { hash };
    let end = format!("{hash}_{task}{suffix}");
    let mut name = format!("{spec}{end}");
    if name.len() > limit {
        let too_long = || SstateError::NameTooLong(format!("{spec}{end}"));
        let parts: Vec<&str> = spec.split(':').collect();
        let [kind, pn, system, version, revision, arch, number, rest @ ..] = parts.as_slice() else {
            return Err(too_long());
        };
        // What must stay whole, and seven colons.
        let fixed = end.len() + kind.len() + pn.len() + arch.len() + number.len() + 7;
        let each = limit.checked_sub(fixed).ok_or_else(too_long)? / 3;
        let cut = |part: &str| part.chars().take(each).collect::<String>();
        let mut short = [*kind, *pn, &cut(system), &cut(version), &cut(revision), *arch, *number].join(":");
        for part in rest {
            short.push(':');
            short.push_str(part);
        }
        name = format!("{short}{end}");
        if name.len() > limit {
            return Err(too_long());
        }
    }
    let folder = |from: usize| hash.get(from..from + 2).unwrap_or_default();
    Ok(format!("{}/{}/{name}", folder(0), folder(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "sstate:zlib:x86_64-linux:1.3:r0:x86_64:14:";

    #[test]
    fn objects_are_filed_by_their_hash() {
        let hash = "ab".repeat(32);
        assert_eq!(
            object_name(SPEC, &hash, "package", Extension::Archive).unwrap(),
            format!("ab/ab/{SPEC}{hash}_package.tar.zst")
        );
        assert_eq!(
            object_name(SPEC, "", "package", Extension::Siginfo).unwrap(),
            format!("IN/VA/{SPEC}INVALID_package.tar.zst.siginfo")
        );
    }

    #[test]
    fn long_names_lose_what_is_for_people_only() {
        let hash = "0".repeat(64);
        let long = "v".repeat(100);
        let spec = format!("sstate:name:{long}:{long}:{long}:arch:14:");
        let path = object_name(&spec, &hash, "populate_sysroot", Extension::Archive).unwrap();
        // 246 − (64 + 1 + 16 + 8) − 6 − 4 − 4 − 2 − 7 = 134; a third of it for each.
        let short = "v".repeat(44);
        assert_eq!(
            path,
            format!("00/00/sstate:name:{short}:{short}:{short}:arch:14:{hash}_populate_sysroot.tar.zst")
        );
        let siginfo = object_name(&spec, &hash, "populate_sysroot", Extension::Siginfo).unwrap();
        assert_eq!(siginfo, format!("{path}.siginfo"));
        let hopeless = format!("sstate:{}:a:b:c:d:14:", "n".repeat(250));
        assert!(object_name(&hopeless, &hash, "x", Extension::Archive).is_err());
    }
}
