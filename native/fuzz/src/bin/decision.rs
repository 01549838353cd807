//! A review in, a well-formed answer out.

fn main() {
    fleetgate_fuzz::targets::decision::prepare();
    afl::fuzz!(|data: &[u8]| fleetgate_fuzz::targets::decision::run(data));
}
