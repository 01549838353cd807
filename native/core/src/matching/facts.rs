//! What the criteria need to know of a review, read once per review from its objects.

use fleetgate_value::Value;

use super::{AutoReject, Labels, Source};

/// Keys as ready values: looking up a field then allocates nothing.
pub(crate) mod key {
    use fleetgate_value::Value;
    use std::sync::LazyLock;

    macro_rules! keys {
        ($($name:ident => $text:literal),+ $(,)?) => {$(
            pub(crate) fn $name() -> &'static Value {
                static KEY: LazyLock<Value> = LazyLock::new(|| Value::from($text));
                &KEY
            }
        )+};
    }
    keys! {
        api_version => "apiVersion", kind => "kind", metadata => "metadata", name => "name", namespace => "namespace",
        generate_name => "generateName", labels => "labels", details => "details", msg => "msg",
    }
}

/// One object of a review.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// API group, empty for the core group.
    pub group: &'a str,
    /// API version without the group.
    pub version: &'a str,
    /// Kind; never empty.
    pub kind: &'a str,
    /// `metadata.name`, or empty.
    pub name: &'a str,
    /// `metadata.generateName`, or empty.
    pub generate_name: &'a str,
    /// `metadata.namespace`, or empty.
    pub namespace: &'a str,
    /// `metadata.labels`.
    pub labels: Labels<'a>,
}

impl<'a> Facts<'a> {
    /// Reads an object; none where it is no Kubernetes object: not a JSON object, without a kind, or with an apiVersion of
    /// more than two parts (apimachinery then knows no kind either).
    pub fn of(object: &'a Value) -> Option<Self> {
        let Value::Object(fields) = object else { return None };
        let (group, version) = match string(fields.get(key::api_version())).split_once('/') {
            Some((_, version)) if version.contains('/') => return None,
            Some((group, version)) => (group, version),
            None => ("", string(fields.get(key::api_version()))),
        };
        let kind = string(fields.get(key::kind()));
        if kind.is_empty() {
            return None;
        }
        let metadata = fields.get(key::metadata()).unwrap_or(&Value::Null);
        Some(Self::with_metadata(group, version, kind, metadata))
    }

    /// Reads a Namespace, which callers send with or without its kind.
    fn of_namespace(namespace: &'a Value) -> Self {
        let metadata = match namespace {
            Value::Object(fields) => fields.get(key::metadata()).unwrap_or(&Value::Null),
            _ => &Value::Null,
        };
        Self::with_metadata("", "v1", "Namespace", metadata)
    }

    fn with_metadata(group: &'a str, version: &'a str, kind: &'a str, metadata: &'a Value) -> Self {
        let field = |key| if let Value::Object(fields) = metadata { string(fields.get(key)) } else { "" };
        Self {
            group,
            version,
            kind,
            name: field(key::name()),
            generate_name: field(key::generate_name()),
            namespace: field(key::namespace()),
            labels: Labels::of_metadata(metadata),
        }
    }

    /// Whether it is a core Namespace: another group's kind of that name is not.
    pub fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.kind == "Namespace"
    }
}

fn string(value: Option<&Value>) -> &str {
    match value {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

/// A review as the criteria see it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    object: Side<'a>,
    old_object: Side<'a>,
    /// The Namespace that the object lives in, where it is known.
    pub namespace: Option<Facts<'a>>,
    /// The name of that Namespace as the request says it; empty where it says none. It serves where the object itself
    /// names no namespace and the Namespace is not known.
    pub(super) request_namespace: &'a str,
    /// Where the object comes from.
    pub source: Source,
}

#[derive(Debug, Clone, Copy)]
enum Side<'a> {
    Absent,
    Unreadable,
    Object(Facts<'a>),
}

impl<'a> Side<'a> {
    fn of(object: &'a Value) -> Self {
        match object {
            Value::Null => Self::Absent,
            object => Facts::of(object).map_or(Self::Unreadable, Self::Object),
        }
    }

    const fn facts(&self) -> Option<&Facts<'a>> {
        if let Self::Object(facts) = self { Some(facts) } else { None }
    }
}

impl<'a> Subject<'a> {
    /// Reads a review's `object` and `oldObject` (null where there is none) and the object's Namespace.
    pub fn new(object: &'a Value, old_object: &'a Value, namespace: Option<&'a Value>, source: Source) -> Self {
        let namespace = namespace.map(Facts::of_namespace);
        let (object, old_object) = (Side::of(object), Side::of(old_object));
        Self { object, old_object, namespace, request_namespace: "", source }
    }

    /// With the name of the Namespace that the request is for.
    pub const fn in_namespace(mut self, name: &'a str) -> Self {
        self.request_namespace = name;
        self
    }

    /// The object, where it could be read.
    pub const fn object(&self) -> Option<&Facts<'a>> {
        self.object.facts()
    }

    /// The readable objects, object first.
    pub fn readable(&self) -> impl Iterator<Item = &Facts<'a>> {
        [self.object.facts(), self.old_object.facts()].into_iter().flatten()
    }

    /// Whether there is an object and every object could be read.
    pub fn is_complete(&self) -> bool {
        self.objects().is_ok()
    }

    /// Both objects, the way a Constraint with a match block takes them: one that cannot be read or none at all is an
    /// error of the match. Gatekeeper's text goes on with the object's raw JSON; an object's body stays out of ours.
    pub(super) fn objects(&self) -> Result<[Option<&Facts<'a>>; 2], AutoReject> {
        for (side, name) in [(&self.object, "object"), (&self.old_object, "oldObject")] {
            if matches!(side, Side::Unreadable) {
                return Err(AutoReject(format!("invalid request object: failed to unmarshal gkReview {name}")));
            }
        }
        let objects = [self.object.facts(), self.old_object.facts()];
        if objects.iter().all(Option::is_none) {
            let text = "invalid request object: neither object nor old object are defined";
            return Err(AutoReject(text.to_owned()));
        }
        Ok(objects)
    }
}
