//! An evaluation context: programs, parameters and caches that one evaluation at a time owns.
//!
//! Engines share state over reference counts, so each context has instances of programs of its own. They are kept by
//! program, whatever scope needs it: clusters that have the same template share its instance. A context follows the sets of
//! policies: when it meets a new one it keeps the instances of programs that did not change and makes the others when they
//! are first needed. What it keeps is bounded; what was used last goes last.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use fleetgate_value::Value;

use super::regorus::SecondInstance;
use super::{Instance, Program};
use crate::json::{self, KeyCache};

/// Programs of clusters' own policies that a context keeps ready beside those of the fleet.
const CLUSTER_PROGRAMS: usize = 512;

/// Clusters with policies of their own whose parameters a context keeps ready.
const CLUSTERS: usize = 256;

/// What one evaluation owns.
#[derive(Default)]
pub struct Context {
    /// Keys of the objects it read.
    pub keys: KeyCache,
    instances: Instances,
    fleet: Warm,
    /// By the cluster's name.
    clusters: HashMap<Box<str>, Warm>,
    /// Counts the times that a scope was entered.
    clock: u64,
}

/// A set of policies that a context works with.
#[derive(Debug, Clone, Copy)]
pub struct Within<'a> {
    /// The cluster whose policies they are; none for the fleet's.
    pub cluster: Option<&'a str>,
    /// Tells the set from every other.
    pub set: u64,
    /// How many templates it has.
    pub templates: usize,
    /// How many Constraints it has.
    pub constraints: usize,
}

/// What a context has ready for one set of policies.
#[derive(Default)]
struct Warm {
    set: Option<u64>,
    /// Where the instance is, by the template's index in the set.
    instances: Vec<Option<usize>>,
    /// By the Constraint's index in the set.
    parameters: Vec<Option<Value>>,
    entered: u64,
}

impl Warm {
    fn follow(&mut self, within: &Within<'_>) {
        self.set = Some(within.set);
        self.instances.clear();
        self.instances.resize(within.templates, None);
        self.parameters.clear();
        self.parameters.resize(within.constraints, None);
    }
}

impl Context {
    /// Prepares for a set of policies.
    pub fn enter(&mut self, within: Within<'_>) -> Entered<'_> {
        self.clock += 1;
        let warm = match within.cluster {
            None => {
                self.instances.limit = within.templates + CLUSTER_PROGRAMS;
                &mut self.fleet
            }
            Some(cluster) => {
                if !self.clusters.contains_key(cluster) {
                    make_room(&mut self.clusters);
                }
                self.clusters.entry(cluster.into()).or_default()
            }
        };
        warm.entered = self.clock;
        if warm.set != Some(within.set) {
            warm.follow(&within);
            self.instances.sweep();
        }
        Entered { warm, instances: &mut self.instances }
    }

    #[cfg(test)]
    pub(super) fn fleet_set(&self) -> Option<u64> {
        self.fleet.set
    }
}

/// Leaves room for one cluster more.
fn make_room(clusters: &mut HashMap<Box<str>, Warm>) {
    if clusters.len() >= CLUSTERS {
        let oldest = clusters.iter().min_by_key(|(_, warm)| warm.entered).map(|(name, _)| name.clone());
        oldest.and_then(|oldest| clusters.remove(&oldest));
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("instances", &self.instances.by_program.len())
            .field("clusters", &self.clusters.len())
            .finish_non_exhaustive()
    }
}

/// A context that is prepared for a set of policies.
pub struct Entered<'a> {
    warm: &'a mut Warm,
    instances: &'a mut Instances,
}

impl Entered<'_> {
    /// A template's program, ready to run here, and a Constraint's parameters as values of this context.
    pub fn ready(
        &mut self,
        (template, program): (usize, &Arc<dyn Program>),
        (constraint, parameters): (usize, &serde_json::Value),
    ) -> Option<(&mut dyn Instance, &Value)> {
        let slot = self.warm.instances.get_mut(template)?;
        let made = self.instances.of(program, slot)?;
        let parameters = self.warm.parameters.get_mut(constraint)?.get_or_insert_with(|| json::from_serde(parameters));
        Some((made.instance.as_mut(), parameters))
    }

    /// The program that cross-checks a template, ready to run here, and the parameters of a Constraint that was evaluated.
    pub fn second(
        &mut self,
        (template, program): (usize, &Arc<dyn Program>),
        constraint: usize,
    ) -> Option<(&mut SecondInstance, &Value)> {
        let second = program.second()?;
        let made = self.instances.of(program, self.warm.instances.get_mut(template)?)?;
        let instance = made.second.get_or_insert_with(|| second.instance());
        Some((instance, self.warm.parameters.get(constraint)?.as_ref()?))
    }
}

/// Instances of programs.
#[derive(Default)]
struct Instances {
    /// Places stay; what stands in them may change.
    made: Vec<Option<Made>>,
    by_program: HashMap<Address, usize>,
    limit: usize,
    /// Counts the uses of instances.
    clock: u64,
}

/// Where a program lies in memory. A [`Weak`] keeps the place from being taken by another.
type Address = usize;

struct Made {
    program: Weak<dyn Program>,
    instance: Box<dyn Instance>,
    /// The same of the engine that cross-checks, once it was asked for.
    second: Option<SecondInstance>,
    used: u64,
}

impl Instances {
    /// The instance of a program. `place` is where it was last time, and where it is afterwards.
    fn of(&mut self, program: &Arc<dyn Program>, place: &mut Option<usize>) -> Option<&mut Made> {
        let address = Arc::as_ptr(program).addr();
        let stands = |made: &Made| made.program.as_ptr().addr() == address;
        let is_there = |place: usize| self.made.get(place).and_then(Option::as_ref).is_some_and(stands);
        let found = match *place {
            Some(place) if is_there(place) => place,
            _ => match self.by_program.get(&address) {
                Some(place) => *place,
                None => self.make(program, address),
            },
        };
        *place = Some(found);
        self.clock += 1;
        let made = self.made.get_mut(found)?.as_mut()?;
        made.used = self.clock;
        Some(made)
    }

    fn make(&mut self, program: &Arc<dyn Program>, address: Address) -> usize {
        let made =
            Made { program: Arc::downgrade(program), instance: program.instance(), second: None, used: self.clock };
        if self.by_program.len() >= self.limit {
            let used = |place: &usize| self.made.get(*place).and_then(Option::as_ref).map(|made| made.used);
            if let Some((oldest, place)) = self.by_program.iter().min_by_key(|(_, place)| used(place)) {
                let (oldest, place) = (*oldest, *place);
                self.by_program.remove(&oldest);
                self.clear(place);
            }
        }
        let free = self.made.iter().position(Option::is_none);
        let place = free.unwrap_or(self.made.len());
        match self.made.get_mut(place) {
            Some(at) => *at = Some(made),
            None => self.made.push(Some(made)),
        }
        self.by_program.insert(address, place);
        place
    }

    /// Drops the instances of programs that nobody has any more.
    fn sweep(&mut self) {
        let Self { made, by_program, .. } = self;
        for at in made {
            if let Some(gone) = at.take_if(|made| made.program.strong_count() == 0) {
                by_program.remove(&gone.program.as_ptr().addr());
            }
        }
    }

    fn clear(&mut self, place: usize) {
        if let Some(at) = self.made.get_mut(place) {
            *at = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use fleetgate_eval::InventoryReads;

    use super::*;
    use crate::evaluate::{Evaluation, EvaluationError, Trace, Violation};

    /// Counts its instances.
    #[derive(Default)]
    struct Counted(Arc<AtomicUsize>);

    impl Program for Counted {
        fn engine(&self) -> &'static str {
            "counted"
        }
        fn referential(&self) -> bool {
            false
        }
        fn reads(&self) -> &Arc<InventoryReads> {
            static NOTHING: LazyLock<Arc<InventoryReads>> = LazyLock::new(Arc::default);
            &NOTHING
        }
        fn instance(&self) -> Box<dyn Instance> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::new(Nothing { _counted: self.0.clone() })
        }
    }

    struct Nothing {
        _counted: Arc<AtomicUsize>,
    }

    impl Instance for Nothing {
        fn evaluate(&mut self, _: &Evaluation<'_>) -> Result<Vec<Violation>, EvaluationError> {
            Ok(Vec::new())
        }
        fn trace(&mut self, _: &Evaluation<'_>) -> (Result<Vec<Violation>, EvaluationError>, Trace) {
            (Ok(Vec::new()), Trace::default())
        }
    }

    fn programs(count: usize) -> (Vec<Arc<dyn Program>>, Vec<Arc<AtomicUsize>>) {
        (0..count)
            .map(|_| {
                let made = Arc::new(AtomicUsize::new(0));
                let program: Arc<dyn Program> = Arc::new(Counted(made.clone()));
                (program, made)
            })
            .unzip()
    }

    fn use_one(context: &mut Context, cluster: Option<&str>, set: u64, program: &Arc<dyn Program>) {
        let mut entered = context.enter(Within { cluster, set, templates: 1, constraints: 1 });
        assert!(entered.ready((0, program), (0, &serde_json::Value::Null)).is_some());
    }

    fn counts(made: &[Arc<AtomicUsize>]) -> Vec<usize> {
        made.iter().map(|made| made.load(Ordering::SeqCst)).collect()
    }

    #[test]
    fn a_program_has_one_instance_whatever_scopes_have_it() {
        let (programs, made) = programs(1);
        let mut context = Context::default();
        use_one(&mut context, None, 0, &programs[0]);
        for turn in 0..3 {
            for cluster in 0..600_u64 {
                use_one(&mut context, Some(&format!("c{cluster}")), 1 + cluster + 1_000 * turn, &programs[0]);
            }
        }
        assert_eq!(counts(&made), [1]);
        assert!(context.clusters.len() <= CLUSTERS);
    }

    #[test]
    fn programs_of_many_clusters_stay_warm() {
        let (programs, made) = programs(CLUSTER_PROGRAMS);
        let mut context = Context::default();
        for _ in 0..3 {
            use_one(&mut context, None, 0, &programs[0]);
            for (cluster, program) in programs.iter().enumerate() {
                use_one(&mut context, Some(&format!("c{cluster}")), 1 + cluster as u64, program);
            }
        }
        assert_eq!(counts(&made), vec![1; CLUSTER_PROGRAMS]);
    }

    #[test]
    fn what_was_used_last_goes_last() {
        let (programs, made) = programs(2 * CLUSTER_PROGRAMS);
        let mut context = Context::default();
        for (set, program) in (1..).zip(&programs) {
            use_one(&mut context, None, 0, &programs[0]);
            use_one(&mut context, Some("c"), set, program);
        }
        assert_eq!(context.instances.by_program.len(), CLUSTER_PROGRAMS + 1);
        assert_eq!(counts(&made), vec![1; 2 * CLUSTER_PROGRAMS]);
        // The one that went is made again, and the one that was used all the time was kept.
        use_one(&mut context, Some("c"), 9_999, &programs[1]);
        assert_eq!((counts(&made)[0], counts(&made)[1]), (1, 2));
    }

    #[test]
    fn instances_of_programs_that_are_gone_are_dropped() {
        let (mut programs, made) = programs(3);
        let mut context = Context::default();
        for (set, program) in programs.iter().enumerate() {
            use_one(&mut context, None, set as u64, program);
        }
        programs.truncate(1);
        use_one(&mut context, None, 7, &programs[0]);
        // The counters that instances hold went with them.
        assert_eq!(made.iter().map(Arc::strong_count).collect::<Vec<_>>(), [3, 1, 1]);
        assert_eq!(counts(&made), [1, 1, 1]);
    }
}
