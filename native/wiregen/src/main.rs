//! `fleetgate-wiregen DESCRIPTORS MESSAGES FEED`: the messages of `fleetgate.v1` and `google.rpc` as Rust, and the stubs of
//! the one service that Rust serves, from a descriptor set that the Python side made, so that building fleetgate needs no
//! protoc.

use std::{env, fs, path::PathBuf, process::ExitCode};

use prost::Message as _;

fn generate(descriptors: &PathBuf, out: &PathBuf, feed: &PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    let mut set = prost_types::FileDescriptorSet::decode(fs::read(descriptors)?.as_slice())?;
    messages(set.clone(), out)?;
    // Python serves the others.
    for file in set.file.iter_mut().filter(|file| file.name() != "fleetgate/v1/feed.proto") {
        file.service.clear();
    }
    tonic_prost_build::configure()
        .out_dir(feed)
        .extern_path(".fleetgate.v1", "::fleetgate_core::wire")
        .extern_path(".google", "::prost_types")
        .compile_fds(set)?;
    Ok(())
}

fn messages(set: prost_types::FileDescriptorSet, out: &PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    prost_build::Config::new()
        .out_dir(out)
        .compile_well_known_types()
        .extern_path(".google.protobuf", "::prost_types")
        // The bodies of objects are sliced out of the request instead of copied.
        .bytes(["."])
        .compile_fds(set)?;
    Ok(())
}

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1).map(PathBuf::from);
    let (Some(descriptors), Some(out), Some(feed)) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: fleetgate-wiregen DESCRIPTORS MESSAGES FEED");
        return ExitCode::from(2);
    };
    match generate(&descriptors, &out, &feed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleetgate-wiregen: {error}");
            ExitCode::FAILURE
        }
    }
}
