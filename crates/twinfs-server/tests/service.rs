//! The example service gives what `examples/service` says it gives, from Rust as from Python.

#![cfg(test)]

use std::fs;
use std::path::Path;

#[allow(dead_code, reason = "its `main` is not called here")]
#[path = "../examples/service.rs"]
mod service;

#[test]
fn the_service_gives_the_same_as_the_one_in_python() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/service");
    let results = tempfile::tempdir().unwrap();
    let files = example.join("files");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let said =
        runtime.block_on(service::try_it(files.to_str().unwrap(), results.path().to_str().unwrap())).unwrap();
    assert_eq!(said, "10 files in, 3 kinds of results out");
    for name in ["orders.csv", "rejected.csv", "words.json"] {
        let expected = fs::read_to_string(example.join("results").join(name)).unwrap();
        assert_eq!(fs::read_to_string(results.path().join(name)).unwrap(), expected, "{name}");
    }
    for (name, size) in [("Eiche", (38, 64)), ("desk lamp", (64, 48)), ("floor plan", (64, 48))] {
        let path = results.path().join("thumbnails/pictures").join(name).with_extension("png");
        assert_eq!(image::image_dimensions(path).unwrap(), size, "{name}");
    }
    assert_eq!(fs::read_dir(results.path().join("thumbnails/pictures")).unwrap().count(), 3);
}
