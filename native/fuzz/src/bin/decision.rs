//! A review in, a well-formed answer out.

fn main() {
    fleetgate_fuzz::abort_on_panic();
    fleetgate_fuzz::targets::decision::prepare();
    afl::fuzz_nohook!(|data: &[u8]| fleetgate_fuzz::targets::decision::run(data));
}
