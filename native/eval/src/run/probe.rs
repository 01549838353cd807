//! Probes: what is asked of a collection's entry before it is bound.

use fleetgate_value::{Object, Value};

use super::index::{Found, Indexes, Key, LARGEST, hash};
use super::{Known, Machine, Meter};
use crate::error::Error;
use crate::ir::{Probe, ProbeStep};

type Answer = Result<bool, Box<Error>>;

impl Machine<'_> {
    /// Whether entries may be left out: nobody takes note of what is looked at, and a step that is left out cannot end the
    /// evaluation, as a function could that stands in for a built-in.
    pub(super) const fn may_probe(&self) -> bool {
        !self.is_watched && !self.strict && self.world.replaced.is_none()
    }

    /// Whether there can be an answer with one of the entries of a collection.
    pub(super) fn may_hold(&mut self, probe: &Probe, collection: &Value) -> Answer {
        let (Some(least), Value::Object(object)) = (probe.indexed, collection) else { return Ok(true) };
        if object.len() < least {
            return Ok(true);
        }
        let mut probing = self.probing(probe);
        Ok(probing.look(WHOLE, 0, collection, object)?.unwrap_or(true))
    }

    /// Whether there can be an answer with this entry.
    pub(super) fn passes(&mut self, probe: Option<&Probe>, value: &Value) -> Answer {
        let Some(probe) = probe else { return Ok(true) };
        self.probing(probe).holds(0, value)
    }

    fn probing<'a>(&'a mut self, probe: &'a Probe) -> Probing<'a> {
        let known = Known { frame: &self.frame, base: self.base };
        Probing { probe, known, meter: &mut self.meter, indexes: &mut self.indexes, sought: None }
    }
}

/// The number of the step that goes through the collection whose entries are probed, which is not the probe's own.
const WHOLE: usize = usize::MAX;

/// A probe that is asked of one entry. It is no deeper than its rule is long, so the stack needs no look.
struct Probing<'a> {
    probe: &'a Probe,
    known: Known<'a>,
    meter: &'a mut Meter,
    indexes: &'a mut Indexes,
    /// The hash of what the last comparison wants.
    sought: Option<u64>,
}

/// What is behind a collection, as far as it was gone through.
struct Gathered {
    hashes: Vec<u64>,
    /// Entries that may be gone through yet.
    left: usize,
}

impl<'a> Probing<'a> {
    fn holds(&mut self, from: usize, mut value: &Value) -> Answer {
        let steps = self.probe.steps.get(from..).unwrap_or_default();
        for (step, at) in steps.iter().zip(from..) {
            match step {
                ProbeStep::Follow(path) => {
                    let Some(found) = self.known.follow(value, path) else { return Ok(false) };
                    value = found;
                }
                ProbeStep::Compare(how, other) => {
                    if !how.holds(value, self.known.value(other)) {
                        return Ok(false);
                    }
                }
                ProbeStep::Any { indexed } => return self.any(at, *indexed, value),
            }
        }
        Ok(true)
    }

    fn any(&mut self, at: usize, indexed: Option<usize>, value: &Value) -> Answer {
        let object = match value {
            Value::Array(items) => return self.any_of(at, items.iter()),
            Value::Set(set) => return self.any_of(at, set.iter()),
            Value::Object(object) => object,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Ok(false),
        };
        if indexed.is_none_or(|least| object.len() < least) {
            return self.any_of(at, object.values());
        }
        match self.look(at, at + 1, value, object)? {
            Some(may_be) => Ok(may_be),
            None => self.any_of(at, object.values()),
        }
    }

    /// What is remembered of a collection at a step, whose entries go on with another; it is remembered from now on where it
    /// was met often enough.
    fn look(&mut self, step: usize, next: usize, value: &Value, object: &Object) -> Result<Option<bool>, Box<Error>> {
        let key = Key { probe: self.probe.id, step, address: object.address() };
        let sought = self.sought();
        match self.indexes.look(key, object, sought) {
            Found::Known(may_be) => Ok(Some(may_be)),
            Found::Unknown => Ok(None),
            Found::Wanted => {
                let mut gathered = Gathered { hashes: Vec::new(), left: LARGEST };
                if self.gather_entries(next, value, &mut gathered).is_none() {
                    self.indexes.refuse(key);
                    return Ok(None);
                }
                self.meter.step()?;
                let found = gathered.hashes.contains(&sought);
                self.indexes.remember(key, gathered.hashes);
                Ok(Some(found))
            }
        }
    }

    fn any_of<'v>(&mut self, at: usize, entries: impl Iterator<Item = &'v Value>) -> Answer {
        for entry in entries {
            self.meter.step()?;
            if self.holds(at + 1, entry)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The hashes of all that the last comparison may see; none where there is too much to go through.
    fn gather(&self, from: usize, mut value: &Value, gathered: &mut Gathered) -> Option<()> {
        let steps = self.probe.steps.get(from..).unwrap_or_default();
        for (step, at) in steps.iter().zip(from..) {
            match step {
                ProbeStep::Follow(path) => {
                    let Some(found) = self.known.follow(value, path) else { return Some(()) };
                    value = found;
                }
                ProbeStep::Compare(..) => gathered.hashes.push(hash(value)),
                ProbeStep::Any { .. } => {
                    if let Some(hashes) = self.remembered(at, value) {
                        gathered.left = gathered.left.checked_sub(hashes.len())?;
                        gathered.hashes.extend_from_slice(hashes);
                        return Some(());
                    }
                    return self.gather_entries(at + 1, value, gathered);
                }
            }
        }
        Some(())
    }

    /// What is remembered of a collection at a step.
    fn remembered(&self, step: usize, value: &Value) -> Option<&[u64]> {
        let Value::Object(object) = value else { return None };
        self.indexes.hashes(Key { probe: self.probe.id, step, address: object.address() })
    }

    fn gather_entries(&self, next: usize, value: &Value, gathered: &mut Gathered) -> Option<()> {
        let mut below = |entry: &Value| {
            gathered.left = gathered.left.checked_sub(1)?;
            self.gather(next, entry, gathered)
        };
        match value {
            Value::Array(items) => items.iter().try_for_each(below),
            Value::Object(object) => object.values().try_for_each(below),
            Value::Set(set) => set.iter().try_for_each(&mut below),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(()),
        }
    }

    fn sought(&mut self) -> u64 {
        if let Some(sought) = self.sought {
            return sought;
        }
        let sought = match self.probe.steps.last() {
            Some(ProbeStep::Compare(_, other)) => hash(self.known.value(other)),
            _ => 0,
        };
        self.sought = Some(sought);
        sought
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use fleetgate_rego::Release;
    use fleetgate_value::{Object, Value};

    use crate::error::Error;
    use crate::ir::Op;
    use crate::testing::compiled;
    use crate::{Budget, Documents, Program, Settings, Workspace, read_document};

    const DATA: &str = r#"{"objects": {
        "a": {"v1": {"x": {"hosts": [{"host": "one"}, {"port": 1}], "size": 3}}},
        "b": {"v1": {"y": {"hosts": [{"host": "two"}, {"host": "one"}], "size": 5}, "z": {"hosts": "one"}}, "v2": 7},
        "c": {}
    }}"#;

    fn objects() -> Object {
        let data = read_document("", DATA.as_bytes()).unwrap();
        data.as_object().unwrap().clone()
    }

    fn settings() -> Settings {
        Settings { budget: Budget::default(), strict: false, now_nanos: 0, release: Release::Opa1_17 }
    }

    fn of_steps(steps: u64) -> Settings {
        Settings { budget: Budget { steps, ..Budget::default() }, ..settings() }
    }

    fn evaluated(
        program: &Program,
        data: &Object,
        settings: Settings,
        workspace: &mut Workspace,
    ) -> Result<Option<Value>, Error> {
        let document = program.document(&["p", "x"]).unwrap();
        let documents = Documents { input: None, data: data.clone(), stored: None };
        program.evaluate(document, documents, settings, workspace)
    }

    fn value(program: &Program) -> String {
        let value = evaluated(program, &objects(), settings(), &mut Workspace::default()).unwrap();
        value.map_or_else(|| "undefined".to_owned(), |value| value.to_string())
    }

    fn probes(program: &mut Program) -> usize {
        fn count(block: &mut crate::ir::Block) -> usize {
            let of_step = |step: &mut crate::ir::Step| match &mut step.op {
                Op::Scan { probe, .. } => usize::from(probe.take().is_some()),
                Op::Comprehension { body, .. } | Op::Not(body) => count(body),
                _ => 0,
            };
            block.iter_mut().map(of_step).sum()
        }
        program.rules.iter_mut().flat_map(|rule| rule.clauses_mut()).map(|clause| count(&mut clause.body)).sum()
    }

    /// Each body with its probes and its answer, which without them is the same.
    #[test]
    fn answers_are_those_without_probes() {
        for (body, wanted, answer) in [
            (r#"x = [n | data.objects[_][_][n].hosts[_].host == "one"]"#, 4, r#"["x", "y"]"#),
            (r#"x = [n | "one" == data.objects[_][_][n].hosts[_].host]"#, 4, r#"["x", "y"]"#),
            ("x = [n | data.objects[_].v1[n].size < 4]", 2, r#"["x"]"#),
            ("x = [n | 4 > data.objects[_].v1[n].size]", 2, r#"["x"]"#),
            ("x = [n | 4 <= data.objects[_].v1[n].size]", 2, r#"["y"]"#),
            (r#"x = [n | o := data.objects[_][v][n]; startswith(v, "v"); o.hosts[_].host == "two"]"#, 2, r#"["y"]"#),
            // Nothing is said of `known` before it is bound, and what follows a call of another kind is not looked at.
            ("x = [s | o := data.objects[_].v1[_]; s := o.size; s == count(o.hosts) + 3]", 0, r#"[5]"#),
            ("x = [n | k = data.objects[_].v1[n].size; k > 4]", 2, r#"["y"]"#),
            ("x { not absent }\nabsent { data.objects[_].v1[_].size == 4 }", 2, "true"),
        ] {
            let mut program = compiled(body);
            let with = value(&program);
            assert_eq!(with, answer, "{body}");
            assert_eq!(probes(&mut program), wanted, "{body}");
            assert_eq!(value(&program), with, "{body}");
        }
    }

    /// What is remembered of collections is theirs alone: the answer is that of a workspace that knows nothing.
    #[test]
    fn answers_are_those_without_memory() {
        let program = compiled(r#"x = [n | data.objects[_][_][n].hosts[_].host == input.host]"#);
        let document = program.document(&["p", "x"]).unwrap();
        let versions = [DATA.to_owned(), DATA.replace("two", "three"), DATA.replace("one", "two")].map(|text| {
            let data = read_document("", text.as_bytes()).unwrap();
            data.as_object().unwrap().clone()
        });
        let mut warm = Workspace::default();
        for turn in 0..600 {
            let host = ["one", "two", "three", "none"][turn % 4];
            let input = read_document("", format!(r#"{{"host": "{host}"}}"#).as_bytes()).unwrap();
            let data = &versions[turn / 50 % 3];
            let documents = || Documents { input: Some(input.clone()), data: data.clone(), stored: None };
            let with = program.evaluate(document, documents(), settings(), &mut warm).unwrap();
            let without = program.evaluate(document, documents(), settings(), &mut Workspace::default()).unwrap();
            assert_eq!(with, without, "{turn}: {host}");
        }
    }

    /// An answer that is found at once stays so, however much is behind it.
    #[test]
    fn remembering_spends_nothing_of_an_evaluation() {
        let program = compiled("x { data.objects[_][_] == 1 }");
        let entries =
            |from: usize| (from..from + 5_000).map(move |n| format!(r#""k{n:06}": {}"#, usize::from(n == from)));
        let groups = (0..5).map(|n| format!(r#""g{n}": {{{}}}"#, entries(n * 10_000).collect::<Vec<_>>().join(",")));
        let data = format!(r#"{{"objects": {{{}}}}}"#, groups.collect::<Vec<_>>().join(","));
        let data = read_document("", data.as_bytes()).unwrap().as_object().unwrap().clone();
        let mut warm = Workspace::default();
        for turn in 0..50 {
            let value = evaluated(&program, &data, of_steps(1_000), &mut warm).unwrap();
            assert_eq!(value, Some(true.into()), "{turn}");
        }
    }

    /// What a condition narrows is not gone through before it was asked.
    #[test]
    fn a_condition_that_makes_a_rule_cheap_is_asked_first() {
        let body = r#"x = [n | objects := data.objects[g]; g == "g1"; objects[_][n].size == 7]"#;
        let program = compiled(body);
        let entries = (0..900).map(|n| format!(r#""k{n}": {{"size": {n}}}"#)).collect::<Vec<_>>().join(",");
        let groups = (0..200).map(|n| format!(r#""g{n}": {{"v1": {{{entries}}}}}"#)).collect::<Vec<_>>().join(",");
        let data = read_document("", format!(r#"{{"objects": {{{groups}}}}}"#).as_bytes()).unwrap();
        let data = data.as_object().unwrap();
        let value = evaluated(&program, data, of_steps(5_000), &mut Workspace::default()).unwrap();
        assert_eq!(value.unwrap().to_string(), r#"["k7"]"#);
    }

    #[test]
    fn what_stands_in_for_a_built_in_may_fail() {
        let body = "f(a, b) = 1 { true }\nf(a, b) = 2 { true }\n\
                    q { o := data.objects[_]; n := o.v1; startswith(n, \"q\"); n == \"zz\" }\n\
                    x { q with startswith as f }";
        let program = compiled(body);
        let error = evaluated(&program, &objects(), settings(), &mut Workspace::default()).unwrap_err();
        assert_eq!(error.code, "eval_conflict_error");
    }

    #[test]
    fn no_error_is_passed_over() {
        let body = r#"x = [n | o := data.objects[_][v][n]; re_match("(", v); o.size == 100]"#;
        let program = compiled(body);
        assert_eq!(value(&program), "[]");
        let strict = Settings { strict: true, ..settings() };
        let error = evaluated(&program, &objects(), strict, &mut Workspace::default()).unwrap_err();
        assert_eq!(error.code, "eval_builtin_error");
    }

    #[test]
    fn what_a_probe_goes_through_is_counted() {
        let program = compiled(r#"x = [n | data.objects[_][_][n].hosts[_].host == "none"]"#);
        let items = (0..2_000).map(|_| "{\"host\": \"some\"}").collect::<Vec<_>>().join(",");
        let data = format!(r#"{{"objects": {{"a": {{"v1": {{"x": {{"hosts": [{items}]}}}}}}}}}}"#);
        let data = read_document("", data.as_bytes()).unwrap().as_object().unwrap().clone();
        let error = evaluated(&program, &data, of_steps(1_000), &mut Workspace::default()).unwrap_err();
        assert!(error.exhausted.is_some());
    }
}
