//! Our built-ins as regorus's extensions, so that the engines are compared and not two libraries of functions.

use std::sync::{Arc, Mutex, PoisonError};

use fleetgate_builtins::{Context, Error, Function};
use fleetgate_value::Value;
use regorus::{Engine, Value as Foreign};

use super::convert::{from_regorus, to_regorus};

/// What the calls of one instance share.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    context: Context,
    /// An answer had no form in regorus, or ended the evaluation.
    incomparable: bool,
}

/// Shared by the extensions of one engine and the instance that owns it; never contended.
pub(super) type Shared = Arc<Mutex<Surroundings>>;

/// Makes ready for an evaluation.
pub(super) fn start(shared: &Shared) {
    let mut surroundings = shared.lock().unwrap_or_else(PoisonError::into_inner);
    surroundings.context.start(0);
    surroundings.context.rounded_integers = true;
    surroundings.incomparable = false;
}

/// Whether the evaluation since [`start`] can be compared.
pub(super) fn comparable(shared: &Shared) -> bool {
    !shared.lock().unwrap_or_else(PoisonError::into_inner).incomparable
}

/// The name that a built-in of ours has in modules for regorus.
pub(super) fn name(builtin: &str) -> String {
    format!("__fg_builtin_{}", builtin.replace('.', "_"))
}

/// Adds the extensions for built-ins of ours, by their OPA names.
///
/// # Errors
/// Only where two have one name.
pub(super) fn add<'a>(
    engine: &mut Engine,
    names: impl IntoIterator<Item = &'a str>,
    shared: &Shared,
) -> Result<(), String> {
    for builtin in names {
        let (Some(function), Some(declared)) =
            (fleetgate_builtins::find(builtin), fleetgate_rego::builtins::find(builtin))
        else {
            return Err(format!("{builtin} is not supported"));
        };
        let arity = u8::try_from(declared.arity).map_err(|_| format!("{builtin} takes too much"))?;
        let shared = shared.clone();
        let extension = move |operands: Vec<Foreign>| Ok(call(function, &operands, &shared));
        engine.add_extension(name(builtin), arity, Box::new(extension)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn call(function: Function, operands: &[Foreign], shared: &Shared) -> Foreign {
    let mut surroundings = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let operands: Option<Vec<Value>> = operands.iter().map(from_regorus).collect();
    let answer = match operands.map(|operands| function(&mut surroundings.context, &operands)) {
        Some(Ok(answer)) => to_regorus(&answer),
        Some(Err(Error::Type(_) | Error::Builtin(_) | Error::Undefined)) => Some(Foreign::Undefined),
        Some(Err(Error::Halt(_) | Error::Size)) | None => None,
    };
    answer.unwrap_or_else(|| {
        surroundings.incomparable = true;
        Foreign::Undefined
    })
}
