//! Rego in, a loaded template or located defects out.

fn main() {
    fleetgate_fuzz::abort_on_panic();
    afl::fuzz_nohook!(|data: &[u8]| fleetgate_fuzz::targets::front_end::run(data));
}
