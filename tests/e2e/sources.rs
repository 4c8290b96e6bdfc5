//! Where sources come from when nobody says so: nowhere.

use std::path::Path;

use crate::space::TestSpace;

#[test]
fn a_go_module_needs_a_proxy_that_the_user_names() {
    let meta_core = Path::new(env!("CARGO_MANIFEST_DIR")).join("layers/meta-core");
    let space = TestSpace::empty()
        .file(
            "conf/bblayers.conf",
            &format!("BBPATH = \"${{TOPDIR}}\"\nBBFILES = \"${{TOPDIR}}/*.bb\"\nBBLAYERS = \"{}\"\n", meta_core.display()),
        )
        .file("conf/local.conf", "")
        .file(
            "module_1.0.bb",
            "SRC_URI = \"gomod://example.org/text;version=v1.0.0;sha256sum=00\"\nSRC_URI[text@v1.0.0.sha256sum] = \"00\"\n",
        );
    // The recipe can be read, and its files be known.
    space.run(&["-p"]).ok();
    space.run(&["-c", "fetch", "module"]).fails().says("GO_MOD_PROXY is not set").says("example.org/text");
    // Loopback refuses at once; what counts is who was asked.
    space.write("conf/local.conf", "GO_MOD_PROXY = \"127.0.0.1:1\"\n");
    let output = space.run(&["-c", "fetch", "module"]).fails();
    output.says("https://127.0.0.1:1/example.org/text/").says_nothing_of("GO_MOD_PROXY is not set");
}
