//! Objects of the shared state: packed and restored whole, or not at all.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rbake::sstate::{Limit, Limits, Packed, SstateError, Unsafe, check, pack, prune, restore};
use tar::{Builder, EntryType, Header};
use tempfile::{TempDir, tempdir};

fn tree(place: &TempDir) -> PathBuf {
    let tree = place.path().join("tree");
    fs::create_dir_all(tree.join("usr/lib")).unwrap();
    fs::write(tree.join("usr/lib/liba.so.1"), "library".repeat(10_000)).unwrap();
    fs::set_permissions(tree.join("usr/lib/liba.so.1"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("liba.so.1", tree.join("usr/lib/liba.so")).unwrap();
    symlink("/run", tree.join("run")).unwrap();
    fs::hard_link(tree.join("usr/lib/liba.so.1"), tree.join("usr/lib/same")).unwrap();
    fs::create_dir(tree.join("empty")).unwrap();
    fs::write(tree.join("readme"), "").unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::open(tree.join("readme")).unwrap().set_modified(old).unwrap();
    tree
}

/// An object made of these members.
fn forged(place: &TempDir, fill: impl FnOnce(&mut Builder<Vec<u8>>)) -> PathBuf {
    let mut archive = Builder::new(Vec::new());
    fill(&mut archive);
    let path = place.path().join("forged.tar.zst");
    fs::write(&path, zstd::encode_all(archive.into_inner().unwrap().as_slice(), 1).unwrap()).unwrap();
    path
}

fn member(archive: &mut Builder<Vec<u8>>, kind: EntryType, name: &str, target: &str, content: &str) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    // Written raw: the library would not make such names.
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name.as_bytes());
    old.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    archive.append(&header, content.as_bytes()).unwrap();
}

fn hostile(place: &TempDir, object: &Path) -> Unsafe {
    let folder = place.path().join("restored");
    let reason = match restore(object, &folder, Limit::default()) {
        Err(SstateError::Hostile { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(matches!(check(object, Limit::default()), Err(SstateError::Hostile { .. })));
    nothing_left(place, object);
    reason
}

fn nothing_left(place: &TempDir, object: &Path) {
    let left: Vec<PathBuf> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.iter().all(|path| path == object || path.ends_with("tree")), "{left:?}");
}

/// All that `tree` made is there again.
fn came_back(back: &Path) {
    assert_eq!(fs::read(back.join("usr/lib/liba.so.1")).unwrap(), b"library".repeat(10_000));
    assert_eq!(fs::metadata(back.join("usr/lib/liba.so.1")).unwrap().mode() & 0o7777, 0o750);
    assert_eq!(fs::read_link(back.join("usr/lib/liba.so")).unwrap(), Path::new("liba.so.1"));
    assert_eq!(fs::read_link(back.join("run")).unwrap(), Path::new("/run"));
    assert!(back.join("empty").is_dir());
    assert_eq!(fs::metadata(back.join("readme")).unwrap().mtime(), 1_000_000_000);
    let ino = |name: &str| fs::metadata(back.join(name)).unwrap().ino();
    assert_eq!(ino("usr/lib/same"), ino("usr/lib/liba.so.1"));
}

#[test]
fn a_tree_comes_back_as_it_was() {
    let place = tempdir().unwrap();
    let (tree, object) = (tree(&place), place.path().join("ab/cd/object.tar.zst"));
    assert_eq!(pack(&tree, &object, 3).unwrap(), Packed::New);
    check(&object, Limit::default()).unwrap();
    let back = place.path().join("back");
    restore(&object, &back, Limit::default()).unwrap();
    came_back(&back);
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let place = tempdir().unwrap();
    let tree = tree(&place);
    let (one, two) = (place.path().join("1.tar.zst"), place.path().join("2.tar.zst"));
    pack(&tree, &one, 3).unwrap();
    pack(&tree, &two, 3).unwrap();
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
    assert_eq!(fs::metadata(&one).unwrap().mode() & 0o777, 0o664);
}

#[test]
fn an_object_that_is_there_is_left_and_counts_as_used() {
    let place = tempdir().unwrap();
    let (tree, object) = (tree(&place), place.path().join("o.tar.zst"));
    fs::write(&object, "as it was").unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    fs::File::options().append(true).open(&object).unwrap().set_modified(old).unwrap();
    assert_eq!(pack(&tree, &object, 3).unwrap(), Packed::Known);
    assert_eq!(fs::read(&object).unwrap(), b"as it was");
    assert!(fs::metadata(&object).unwrap().mtime() > 1);
}

#[test]
fn many_builders_write_one_object() {
    let place = tempdir().unwrap();
    let (tree, object) = (tree(&place), place.path().join("cache/ab/o.tar.zst"));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| pack(&tree, &object, 3).unwrap());
        }
    });
    check(&object, Limit::default()).unwrap();
    assert_eq!(fs::read_dir(object.parent().unwrap()).unwrap().count(), 1, "temporary files are left");
}

#[test]
fn an_object_cut_anywhere_is_damaged_and_leaves_nothing() {
    let place = tempdir().unwrap();
    let whole = tempdir().unwrap();
    let (tree, object) = (tree(&whole), whole.path().join("o.tar.zst"));
    pack(&tree, &object, 3).unwrap();
    let bytes = fs::read(&object).unwrap();
    let cut = place.path().join("cut.tar.zst");
    for length in [0, 1, bytes.len() / 2, bytes.len() - 5, bytes.len() - 1] {
        fs::write(&cut, &bytes[..length]).unwrap();
        let result = restore(&cut, &place.path().join("restored"), Limit::default());
        assert!(matches!(result, Err(SstateError::Damaged { .. })), "{length}: {result:?}");
        nothing_left(&place, &cut);
    }
}

#[test]
fn a_flipped_bit_is_noticed_or_means_nothing() {
    let place = tempdir().unwrap();
    let whole = tempdir().unwrap();
    let (tree, object) = (tree(&whole), whole.path().join("o.tar.zst"));
    pack(&tree, &object, 3).unwrap();
    let bytes = fs::read(&object).unwrap();
    let flipped = place.path().join("flipped.tar.zst");
    let mut tolerated = 0;
    for at in (6..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        fs::write(&flipped, changed).unwrap();
        let restored = place.path().join("restored");
        match restore(&flipped, &restored, Limit::default()) {
            Err(_) => nothing_left(&place, &flipped),
            // Zstandard's format has unused bits; its checksum covers what they would have changed.
            Ok(_) => {
                came_back(&restored);
                fs::remove_dir_all(&restored).unwrap();
                tolerated += 1;
            }
        }
    }
    assert!(tolerated * 10 < bytes.len() / 7, "{tolerated} of {} flips went unnoticed", bytes.len() / 7);
}

#[test]
fn what_leads_out_is_not_unpacked() {
    for name in ["../evil", "a/../../evil", "/tmp/evil-sstate"] {
        let place = tempdir().unwrap();
        let object = forged(&place, |a| member(a, EntryType::Regular, name, "", "evil"));
        assert_eq!(hostile(&place, &object), Unsafe::Outside, "{name}");
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let place = tempdir().unwrap();
    let object = forged(&place, |a| {
        member(a, EntryType::Symlink, "etc", "/etc", "");
        member(a, EntryType::Regular, "etc/evil", "", "evil");
    });
    assert_eq!(hostile(&place, &object), Unsafe::BehindLink);
}

#[test]
fn links_that_lead_out_are_refused() {
    let place = tempdir().unwrap();
    let object = forged(&place, |a| member(a, EntryType::Symlink, "a/link", "../../evil", ""));
    assert_eq!(hostile(&place, &object), Unsafe::LinkOutside);
    for target in ["/etc/passwd", "../../etc/passwd", "not-there"] {
        let place = tempdir().unwrap();
        let object = forged(&place, |a| member(a, EntryType::Link, "link", target, ""));
        assert!(matches!(hostile(&place, &object), Unsafe::LinkToNothing | Unsafe::Outside), "{target}");
    }
}

#[test]
fn special_files_are_refused() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let place = tempdir().unwrap();
        let object = forged(&place, |a| member(a, kind, "device", "", ""));
        assert_eq!(hostile(&place, &object), Unsafe::Special, "{kind:?}");
    }
}

#[test]
fn a_file_that_is_there_twice_is_refused() {
    let place = tempdir().unwrap();
    let object = forged(&place, |a| {
        member(a, EntryType::Regular, "file", "", "one");
        member(a, EntryType::Regular, "file", "", "two");
    });
    assert_eq!(hostile(&place, &object), Unsafe::Twice);
}

#[test]
fn an_object_that_swells_is_stopped() {
    let place = tempdir().unwrap();
    let object = forged(&place, |a| {
        let mut header = Header::new_gnu();
        header.set_size(50 << 20);
        header.set_mode(0o644);
        a.append_data(&mut header, "zeros", std::io::Read::take(std::io::repeat(0), 50 << 20)).unwrap();
    });
    assert!(fs::metadata(&object).unwrap().len() < 100_000);
    let result = restore(&object, &place.path().join("restored"), Limit(1 << 20));
    assert!(matches!(result, Err(SstateError::TooLarge { .. })), "{result:?}");
    nothing_left(&place, &object);
}

#[test]
fn what_is_no_object_is_damaged() {
    let place = tempdir().unwrap();
    let object = place.path().join("text.tar.zst");
    let zip = zstd::encode_all(&b"no tar archive, but long enough for a header".repeat(20)[..], 1).unwrap();
    for bytes in [b"no archive".to_vec(), zip] {
        fs::write(&object, bytes).unwrap();
        let error = restore(&object, &place.path().join("restored"), Limit::default()).unwrap_err();
        assert!(error.to_string().contains("is damaged"), "{error}");
        nothing_left(&place, &object);
    }
}

#[test]
fn a_folder_that_cannot_be_packed_leaves_no_object() {
    let place = tempdir().unwrap();
    let tree = tree(&place);
    nix::unistd::mkfifo(&tree.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let object = place.path().join("cache/o.tar.zst");
    assert!(pack(&tree, &object, 3).unwrap_err().to_string().contains("pipe"));
    assert_eq!(fs::read_dir(place.path().join("cache")).unwrap().count(), 0);
}

fn aged(cache: &Path, name: &str, bytes: usize, days: u64) {
    let folder = cache.join("ab/cd");
    fs::create_dir_all(&folder).unwrap();
    for suffix in [".tar.zst", ".tar.zst.siginfo"] {
        let mut file = fs::File::create(folder.join(format!("sstate:{name}:{suffix}"))).unwrap();
        file.write_all(&vec![0; bytes / 2]).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 86_400)).unwrap();
    }
}

fn names(cache: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(cache.join("ab/cd"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".zst"))
        .map(|name| name.split(':').nth(1).unwrap_or("?").to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn pruning_takes_the_longest_unused_and_nothing_that_is_no_object() {
    let cache = tempdir().unwrap();
    let cache = cache.path();
    for (name, days) in [("one", 1), ("ten", 10), ("thirty", 30), ("sixty", 60)] {
        aged(cache, name, 1000, days);
    }
    fs::write(cache.join("ab/cd/notes.txt"), "mine").unwrap();
    fs::write(cache.join("other.tar.zst"), "mine").unwrap();
    let month = Limits { age: Some(Duration::from_secs(45 * 86_400)), bytes: None };
    let would = prune(cache, month, true).unwrap();
    assert_eq!((would.removed.len(), would.freed, would.kept), (2, 1000, 3000));
    assert_eq!(names(cache).len(), 4);
    assert_eq!(prune(cache, month, false).unwrap(), would);
    assert_eq!(names(cache), ["one", "ten", "thirty"]);
    let small = Limits { age: None, bytes: Some(2000) };
    assert_eq!(prune(cache, small, false).unwrap().kept, 2000);
    assert_eq!(names(cache), ["one", "ten"]);
    assert!(cache.join("ab/cd/notes.txt").exists() && cache.join("other.tar.zst").exists());
}
