//! `fleetgate-wiregen DESCRIPTORS OUT`: the messages of `fleetgate.v1` and `google.rpc` as Rust, from a descriptor set
//! that the Python side made, so that building fleetgate needs no protoc.

use std::{env, fs, path::PathBuf, process::ExitCode};

use prost::Message as _;

fn generate(descriptors: &PathBuf, out: &PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    let set = prost_types::FileDescriptorSet::decode(fs::read(descriptors)?.as_slice())?;
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
    let (Some(descriptors), Some(out)) = (args.next(), args.next()) else {
        eprintln!("usage: fleetgate-wiregen DESCRIPTORS OUT");
        return ExitCode::from(2);
    };
    match generate(&descriptors, &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleetgate-wiregen: {error}");
            ExitCode::FAILURE
        }
    }
}
