//! Changes and plans as the wire has them.

use std::time::{Duration, SystemTime};

use fleetgate_core::wire::{self, FeedState, object_change, object_event};

use crate::change::{Change, Gvk, State};
use crate::objects::{ObjectEvent, Selector};
use crate::plan::WatchPlan;

/// What of a message makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Senseless(pub(crate) &'static str);

pub(crate) fn kind_of(kind: Option<wire::ResourceKind>) -> Result<Gvk, Senseless> {
    let wire::ResourceKind { group, version, kind } = kind.ok_or(Senseless("a kind is missing"))?;
    if version.is_empty() || kind.is_empty() {
        return Err(Senseless("a kind has no version or no name"));
    }
    Ok(Gvk { group: group.into(), version: version.into(), kind: kind.into() })
}

pub(crate) fn wire_kind(kind: &Gvk) -> wire::ResourceKind {
    wire::ResourceKind { group: kind.group.to_string(), version: kind.version.to_string(), kind: kind.kind.to_string() }
}

pub(crate) fn wire_time(at: SystemTime) -> prost_types::Timestamp {
    at.into()
}

pub(crate) fn time_of(at: Option<prost_types::Timestamp>) -> Result<SystemTime, Senseless> {
    let at = at.ok_or(Senseless("a time is missing"))?;
    let at = SystemTime::try_from(at).map_err(|_| Senseless("a time is out of range"))?;
    // An agent whose clock is ahead must not make its view look fresher than it can be.
    Ok(at.min(SystemTime::now()))
}

pub(crate) const fn wire_state(state: State) -> FeedState {
    match state {
        State::Pending => FeedState::Pending,
        State::Listing => FeedState::Listing,
        State::Synced => FeedState::Synced,
        State::Stale => FeedState::Stale,
        State::Gone => FeedState::Gone,
    }
}

pub(crate) fn state_of(state: i32) -> Result<State, Senseless> {
    match FeedState::try_from(state) {
        Ok(FeedState::Pending) => Ok(State::Pending),
        Ok(FeedState::Listing) => Ok(State::Listing),
        Ok(FeedState::Synced) => Ok(State::Synced),
        Ok(FeedState::Stale) => Ok(State::Stale),
        // Who is gone is for the registry to say.
        Ok(FeedState::Gone | FeedState::Unspecified) | Err(_) => Err(Senseless("a state is none that a feed can have")),
    }
}

pub(crate) fn wire_change(change: Change) -> wire::ObjectChange {
    let kind = Some(wire_kind(change.kind()));
    let change = match change {
        Change::Begin { .. } => object_change::Change::Begin(wire::ListBegin {}),
        Change::Listed { object, .. } => object_change::Change::Listed(object),
        Change::Finish { resource_version, at, .. } => {
            object_change::Change::Finish(wire::ListFinish { resource_version, at: Some(wire_time(at)) })
        }
        Change::Abort { .. } => object_change::Change::Abort(wire::ListAbort {}),
        Change::Put { object, .. } => object_change::Change::Put(object),
        Change::Delete { namespace, name, resource_version, .. } => {
            object_change::Change::Delete(wire::ObjectDeletion { namespace, name, resource_version })
        }
        Change::Observed { resource_version, at, .. } => {
            object_change::Change::Observed(wire::ObservedPoint { resource_version, at: Some(wire_time(at)) })
        }
        Change::State { state, reason, .. } => {
            object_change::Change::State(wire::KindState { state: wire_state(state).into(), reason })
        }
        Change::Forget { .. } => object_change::Change::Forget(wire::KindForgotten {}),
    };
    wire::ObjectChange { kind, change: Some(change) }
}

pub(crate) fn change_of(change: wire::ObjectChange) -> Result<Change, Senseless> {
    let kind = kind_of(change.kind)?;
    Ok(match change.change.ok_or(Senseless("a change says nothing"))? {
        object_change::Change::Begin(_) => Change::Begin { kind },
        object_change::Change::Listed(object) => Change::Listed { kind, object },
        object_change::Change::Finish(finish) => {
            Change::Finish { kind, resource_version: finish.resource_version, at: time_of(finish.at)? }
        }
        object_change::Change::Abort(_) => Change::Abort { kind },
        object_change::Change::Put(object) => Change::Put { kind, object },
        object_change::Change::Delete(wire::ObjectDeletion { namespace, name, resource_version }) => {
            Change::Delete { kind, namespace, name, resource_version }
        }
        object_change::Change::Observed(observed) => {
            Change::Observed { kind, resource_version: observed.resource_version, at: time_of(observed.at)? }
        }
        object_change::Change::State(told) => Change::State { kind, state: state_of(told.state)?, reason: told.reason },
        object_change::Change::Forget(_) => Change::Forget { kind },
    })
}

pub(crate) fn wire_selector(selector: Selector) -> wire::ObjectSelector {
    let Selector { group, version, kind, namespace, labels, fields } = selector;
    wire::ObjectSelector { group, version, kind, namespace, labels, fields }
}

pub(crate) fn selector_of(selector: wire::ObjectSelector) -> Selector {
    let wire::ObjectSelector { group, version, kind, namespace, labels, fields } = selector;
    Selector { group, version, kind, namespace, labels, fields }
}

pub(crate) fn wire_event(event: ObjectEvent) -> wire::ObjectEvent {
    let (selector, event) = match event {
        ObjectEvent::Synced(selector) => (selector, object_event::Event::Told(wire::ObjectsTold {})),
        ObjectEvent::Put(selector, kind, object) => {
            (selector, object_event::Event::Put(wire::ObjectPut { kind: Some(wire_kind(&kind)), object }))
        }
        ObjectEvent::Delete(selector, kind, namespace, name) => {
            let kind = Some(wire_kind(&kind));
            (selector, object_event::Event::Gone(wire::ObjectGone { kind, namespace, name }))
        }
        ObjectEvent::Failed(selector, words) => (selector, object_event::Event::Failed(words)),
    };
    wire::ObjectEvent { selector: Some(wire_selector(selector)), event: Some(event) }
}

pub(crate) fn event_of(event: wire::ObjectEvent) -> Result<ObjectEvent, Senseless> {
    let selector = selector_of(event.selector.ok_or(Senseless("an event has no selector"))?);
    Ok(match event.event.ok_or(Senseless("an event says nothing"))? {
        object_event::Event::Told(_) => ObjectEvent::Synced(selector),
        object_event::Event::Put(put) => ObjectEvent::Put(selector, kind_of(put.kind)?, put.object),
        object_event::Event::Gone(gone) => {
            ObjectEvent::Delete(selector, kind_of(gone.kind)?, gone.namespace, gone.name)
        }
        object_event::Event::Failed(words) => ObjectEvent::Failed(selector, words),
    })
}

pub(crate) fn wire_plan(plan: &WatchPlan) -> wire::WatchPlan {
    let age = |bound: &Duration| prost_types::Duration::try_from(*bound).ok();
    wire::WatchPlan {
        kinds: plan.kinds.iter().map(wire_kind).collect(),
        matching: plan
            .matching
            .iter()
            .map(|(groups, kinds)| wire::KindPattern { groups: groups.clone(), kinds: kinds.clone() })
            .collect(),
        bounds: plan
            .bounds
            .iter()
            .map(|(kind, bound)| wire::KindBound { kind: Some(wire_kind(kind)), age: age(bound) })
            .collect(),
    }
}

pub(crate) fn plan_of(plan: wire::WatchPlan) -> Result<WatchPlan, Senseless> {
    let bound = |bound: wire::KindBound| {
        let age = bound.age.and_then(|age| Duration::try_from(age).ok()).ok_or(Senseless("a bound has no age"))?;
        Ok((kind_of(bound.kind)?, age))
    };
    Ok(WatchPlan {
        kinds: plan.kinds.into_iter().map(|kind| kind_of(Some(kind))).collect::<Result<_, _>>()?,
        matching: plan.matching.into_iter().map(|pattern| (pattern.groups, pattern.kinds)).collect(),
        bounds: plan.bounds.into_iter().map(bound).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use bytes::Bytes;

    use super::*;
    use crate::discovery::tests::gvk;

    #[test]
    fn changes_come_back_as_they_went() {
        let kind = || gvk("apps", "v1", "Deployment");
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let rv = || "17".to_owned();
        for change in [
            Change::Begin { kind: kind() },
            Change::Listed { kind: kind(), object: Bytes::from_static(b"{}") },
            Change::Finish { kind: kind(), resource_version: rv(), at },
            Change::Abort { kind: kind() },
            Change::Put { kind: kind(), object: Bytes::from_static(b"{\"a\":1}") },
            Change::Delete { kind: kind(), namespace: "n".into(), name: "a".into(), resource_version: rv() },
            Change::Observed { kind: kind(), resource_version: rv(), at },
            Change::State { kind: kind(), state: State::Stale, reason: "why".into() },
            Change::Forget { kind: kind() },
        ] {
            assert_eq!(change_of(wire_change(change.clone())), Ok(change));
        }
    }

    #[test]
    fn events_come_back_as_they_went() {
        let selector = Selector { group: "apps".into(), kind: "*".into(), labels: "a=b".into(), ..Selector::default() };
        for event in [
            ObjectEvent::Synced(selector.clone()),
            ObjectEvent::Put(selector.clone(), gvk("apps", "v1", "Deployment"), Bytes::from_static(b"{}")),
            ObjectEvent::Delete(selector.clone(), gvk("apps", "v1", "Deployment"), "n".into(), "a".into()),
            ObjectEvent::Failed(selector, "why".into()),
        ] {
            assert_eq!(event_of(wire_event(event.clone())), Ok(event));
        }
    }

    #[test]
    fn plans_come_back_as_they_went() {
        let plan = WatchPlan {
            kinds: [gvk("", "v1", "Pod")].into(),
            matching: vec![(vec!["*".into()], vec!["Ingress".into()])],
            bounds: [(gvk("", "v1", "Pod"), Duration::from_millis(1500))].into(),
        };
        assert_eq!(plan_of(wire_plan(&plan)), Ok(plan));
    }

    #[test]
    fn a_clock_that_is_ahead_makes_nothing_fresher() {
        let ahead = SystemTime::now() + Duration::from_secs(3600);
        assert!(time_of(Some(wire_time(ahead))).is_ok_and(|at| at <= SystemTime::now()));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let kind = Some(wire_kind(&gvk("", "v1", "Pod")));
        let gone = wire::KindState { state: FeedState::Gone.into(), reason: String::new() };
        for (change, words) in [
            (wire::ObjectChange::default(), "a kind is missing"),
            (wire::ObjectChange { kind: kind.clone(), change: None }, "a change says nothing"),
            (
                wire::ObjectChange { kind, change: Some(object_change::Change::State(gone)) },
                "a state is none that a feed can have",
            ),
        ] {
            assert_eq!(change_of(change), Err(Senseless(words)));
        }
    }
}
