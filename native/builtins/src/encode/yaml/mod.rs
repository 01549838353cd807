//! `yaml.*`, as Gatekeeper's OPA reads and writes YAML: by sigs.k8s.io/yaml, which is YAML 1.1 by way of JSON.
//!
//! OPA reads YAML 1.2 from 1.22 on, where `yes` is a text; Gatekeeper's OPA does not.

mod read;
mod scalar;
mod write;

use fleetgate_value::Value;

use crate::operand::{any, string};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table =
    &[("yaml.is_valid", is_valid), ("yaml.marshal", marshal), ("yaml.unmarshal", unmarshal)];

fn unmarshal(_: &mut Context, operands: &[Value]) -> Answer {
    read::first_document(string(operands, 1)?).map_err(|defect| Error::Builtin(format!("yaml: {defect}")))
}

fn is_valid(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(any(operands, 1).as_str().is_some_and(|text| read::first_document(text).is_ok()).into())
}

fn marshal(context: &mut Context, operands: &[Value]) -> Answer {
    Ok(write::document(context, any(operands, 1))?.into())
}
