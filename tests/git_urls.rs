//! Git repositories of people who mean harm, and URLs that would be options: made on the spot, asked by Python with rbake's `bb`.

use std::path::Path;
use std::process::Command;

const SCRIPT: &str = r#"
import logging, os, subprocess, sys
import bb.data_smart, bb.fetch2
from bb.fetch2 import Fetch
class Kept(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

said = []
logging.getLogger("BitBake").addHandler(Kept())
logging.getLogger("BitBake").setLevel(logging.DEBUG)
work = sys.argv[1]
os.environ.update(HOME=work, GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@example.org",
                  GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@example.org")

def git(folder, *arguments):
    done = subprocess.run(["git", "-c", "protocol.file.allow=always", *arguments], cwd=folder, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode().strip()

def store(revision, name):
    d = bb.data_smart.DataSmart()
    d.setVar("DL_DIR", "%s/%s" % (work, name))
    d.setVar("PATH", os.environ["PATH"])
    d.setVar("HOME", work)
    d.setVar("SRCREV", revision)
    d.setVar("PN", "kit")
    os.makedirs(d.getVar("DL_DIR"), exist_ok=True)
    return d

def fails(kind, words, call):
    said.clear()
    try:
        call()
    except kind as exc:
        text = "\n".join([str(exc)] + said)
        assert words in text, text
    else:
        raise AssertionError("nothing was raised for " + words)

# Options in URLs.
zero = "0" * 40
for url in ("git://h/x;branch=--upload-pack=touch;protocol=https", "git://h/x;branch=a;tag=-d", "git://-oProxyCommand=x/x;branch=a;protocol=ssh",
            "git://-oProxyCommand=x@h/x;branch=a;protocol=ssh"):
    fails(bb.fetch2.ParameterError, "must not begin with a dash", lambda: Fetch([url], store(zero, "options")))
fails(bb.fetch2.ParameterError, "Invalid protocol type", lambda: Fetch(["git://h/x;branch=a;protocol=ext"], store(zero, "options")))

# A submodule, then the same said in ways that lead elsewhere.
inner, outer = work + "/inner", work + "/outer"
for folder in (inner, outer):
    os.makedirs(folder)
    git(folder, "init", "-q", "-b", "main")
with open(inner + "/file", "w") as file:
    file.write("inner\n")
git(inner, "add", "-A")
git(inner, "commit", "-qm", "inner")
git(outer, "submodule", "--quiet", "add", "--name", "good", inner, "sub")
git(outer, "commit", "-qm", "outer")
url = "gitsm://%s;protocol=file;branch=main;destsuffix=tree" % outer
d = store(git(outer, "rev-parse", "HEAD"), "good")
fetch = Fetch([url], d)
fetch.download()
subprocess.run(["git", "config", "--global", "protocol.file.allow", "always"], check=True)
fetch.unpack(work + "/unpacked")
assert os.path.exists(work + "/unpacked/tree/sub/file")

with open(outer + "/.gitmodules") as file:
    good = file.read()
for number, (old, new, words) in enumerate((
        ('"good"', '"../../../evil"', "name of a submodule is suspicious"),
        ('"good"', '"x;subdir=/evil"', "name of a submodule is suspicious"),
        ('"good"', '"-x"', "name of a submodule is suspicious"),
        ("path = sub", "path = --full-tree", "path of a submodule is suspicious"),
        ("path = sub", "path = ../sub", "path of a submodule is suspicious"),
        ("url = " + inner, "url = --upload-pack=touch " + work + "/evil", "URL of the submodule good is suspicious"),
        ("url = " + inner, "url = %s;branch=x" % inner, "URL of the submodule good is suspicious"),
        ("url = " + inner, "url = ext::touch " + work + "/evil", "URL of the submodule good is suspicious"))):
    assert old in good, (old, good)
    with open(outer + "/.gitmodules", "w") as file:
        file.write(good.replace(old, new))
    git(outer, "add", "-A")
    git(outer, "commit", "-qm", "evil")
    d = store(git(outer, "rev-parse", "HEAD"), "bad%d" % number)

    def everything():
        fetch = Fetch([url], d)
        fetch.download()
        fetch.unpack("%s/root%d" % (work, number))
    fails(bb.fetch2.BBFetchException, words, everything)
    found = subprocess.run(["find", work, "-name", "evil*"], check=True, stdout=subprocess.PIPE).stdout
    assert not found, found
print("all is well")
"#;

#[test]
fn repositories_of_people_who_mean_harm() {
    let engine = Path::new(env!("CARGO_BIN_EXE_rbake")).with_file_name("librbake_engine.so");
    if !engine.exists() || Command::new("git").arg("--version").output().is_err() {
        eprintln!("SKIPPED: {} or git is not there", engine.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let done = Command::new("python3")
        .args(["-c", SCRIPT])
        .arg(dir.path())
        .env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("python"))
        .env("RBAKE_ENGINE", engine)
        .output()
        .unwrap();
    let (out, error) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.ends_with("all is well\n"), "{out}{error}");
}
