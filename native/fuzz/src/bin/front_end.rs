//! Rego in, a loaded template or located defects out.

fn main() {
    afl::fuzz!(|data: &[u8]| fleetgate_fuzz::targets::front_end::run(data));
}
