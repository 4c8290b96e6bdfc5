//! The kinds of URL, and the name that each gives its local file.
//!
//! Source: BitBake manual, section "Fetchers".

use super::mirror::LocalFile;
use super::url::Url;

/// What fetches a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A file or directory beside the recipe.
    File,
    /// A file from an HTTP server.
    Http,
    /// A file from an FTP server. It is known, so that mirrors can stand in; there is no client for it.
    Ftp,
    /// A git repository.
    Git,
    /// A git repository with its submodules.
    GitSm,
    /// A Debian source package, found in a signed index.
    Apt,
    /// A Debian binary package, found in a signed index.
    Deb,
    /// A source rpm, found in signed repository metadata.
    Srpm,
    /// A binary rpm, found in signed repository metadata.
    Rpm,
    /// An image of containers from a registry.
    Oci,
}

impl Scheme {
    /// The fetcher for a URL's scheme.
    pub fn of(scheme: &str) -> Option<Self> {
        Some(match scheme {
            "file" => Scheme::File,
            "http" | "https" => Scheme::Http,
            "ftp" | "ftps" => Scheme::Ftp,
            "git" => Scheme::Git,
            "gitsm" => Scheme::GitSm,
            "apt" => Scheme::Apt,
            "deb" => Scheme::Deb,
            "srpm" => Scheme::Srpm,
            "rpm" => Scheme::Rpm,
            "docker" | "oci" => Scheme::Oci,
            _ => return None,
        })
    }

    /// Whether a missing checksum is worth a warning.
    pub fn recommends_checksum(self) -> bool {
        matches!(self, Scheme::Http | Scheme::Ftp)
    }
}

/// The name of a download under `DL_DIR`: `downloadfilename`, else the path's last part, else host and path with
/// dots.
pub fn download_name(url: &Url) -> String {
    if let Some(name) = url.param("downloadfilename") {
        return name.to_owned();
    }
    let path = if url.path.is_empty() { "/" } else { &url.path };
    match path.rsplit('/').next().unwrap_or_default() {
        "" => format!("{}{}", url.hostport(), path.replace('/', ".")),
        name => name.to_owned(),
    }
}

/// The name of a git repository below `git2/`; `revision` only for `rebaseable=1`.
pub fn repository_name(url: &Url, revision: Option<&str>) -> String {
    let path = if url.path.is_empty() { "/" } else { &url.path };
    let dotted: String = path
        .chars()
        .map(|letter| match letter {
            '/' | '*' => '.',
            ' ' | '(' | ')' => '_',
            other => other,
        })
        .collect();
    let name = format!("{}{dotted}", url.hostport().replace(':', "."));
    let name = name.strip_prefix('.').unwrap_or(&name);
    match revision {
        Some(revision) => format!("{name}_{revision}"),
        None => name.to_owned(),
    }
}

/// What mirror rules have to know of a URL's local file; `None` if no fetcher takes the URL.
pub fn local_file(url: &str) -> Option<LocalFile> {
    let text = url;
    let url = Url::parse(text).ok()?;
    Some(match Scheme::of(&url.scheme)? {
        Scheme::File => LocalFile { name: Some(url.basename().to_owned()), ..LocalFile::default() },
        Scheme::Http | Scheme::Ftp => LocalFile { name: Some(download_name(&url)), ..LocalFile::default() },
        Scheme::Git | Scheme::GitSm => {
            let revision = url.param("rev").filter(|_| url.param("rebaseable") == Some("1"));
            LocalFile {
                name: None,
                tarballs: vec![format!("git2_{}.tar.gz", repository_name(&url, revision))],
            }
        }
        Scheme::Oci => {
            let request = super::oci::Request::parse(text).ok()?;
            let archive = request.reference.archive_name(&request.platform.to_string());
            LocalFile { name: None, tarballs: vec![archive] }
        }
        Scheme::Apt | Scheme::Deb | Scheme::Srpm | Scheme::Rpm => LocalFile::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules of BitBake manual, "Fetchers".
    #[test]
    fn names() {
        for (url, expected) in [
            ("http://h/a/b.tgz", "b.tgz"),
            ("http://h:80/a/b.tgz;downloadfilename=c.tgz", "c.tgz"),
            ("http://h:80/a/", "h:80.a."),
            ("http://h", "h."),
        ] {
            assert_eq!(download_name(&Url::parse(url).unwrap()), expected, "{url}");
        }
        for (url, expected) in [("git://h:99/a/b (c)*.git", "h.99.a.b__c_..git"), ("git:///srv/x", "srv.x")] {
            assert_eq!(repository_name(&Url::parse(url).unwrap(), None), expected, "{url}");
        }
        assert_eq!(local_file("foo://h/x"), None);
    }
}
