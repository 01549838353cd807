//! What is known of a value before it is computed.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::resolve::key::Key;

/// A type deeper than this is `any`: it grew statement by statement, and nobody could read an error about it.
const MAX_DEPTH: u32 = 64;
/// A type of more parts than this is `any`.
const MAX_PARTS: u32 = 20_000;

/// A shared type.
#[derive(Debug, Clone)]
pub(in crate::resolve) struct Type(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    depth: u32,
    parts: u32,
    shape: Shape,
}

/// The kinds of type.
#[derive(Debug, Clone)]
pub(in crate::resolve) enum Shape {
    /// Nothing is known, not even that the value exists.
    Unknown,
    Null,
    Boolean,
    Number,
    String,
    /// The first items, then the type of the rest, which is unknown where there is no rest.
    Array(Vec<Type>, Type),
    /// Constant properties in order of keys, then key and value of the others.
    Object(Vec<(Key, Type)>, Option<(Type, Type)>),
    /// Of unknown members if it is empty.
    Set(Type),
    /// One of several, in order; anything if there are none.
    Any(Vec<Type>),
    Function(Function),
}

/// What is called.
#[derive(Debug, Clone)]
pub(in crate::resolve) struct Function {
    pub(in crate::resolve) args: Vec<Type>,
    /// Of the arguments after those; unknown if there can be none.
    pub(in crate::resolve) more: Type,
    /// Unknown if nothing is yielded.
    pub(in crate::resolve) result: Type,
}

impl Type {
    fn new(shape: Shape) -> Self {
        let mut depth = 0;
        let mut parts: u32 = 1;
        let mut add = |child: &Self| {
            depth = depth.max(child.0.depth + 1);
            parts = parts.saturating_add(child.0.parts);
        };
        match &shape {
            Shape::Array(items, rest) => items.iter().chain([rest]).for_each(&mut add),
            Shape::Object(fixed, rest) => {
                fixed.iter().for_each(|(_, value)| add(value));
                rest.iter().for_each(|(key, value)| {
                    add(key);
                    add(value);
                });
            }
            Shape::Set(of) => add(of),
            Shape::Any(of) => of.iter().for_each(&mut add),
            Shape::Function(function) => {
                function.args.iter().chain([&function.more, &function.result]).for_each(&mut add);
            }
            _ => {}
        }
        if depth > MAX_DEPTH || parts > MAX_PARTS {
            return Self::any();
        }
        Self(Arc::new(Inner { depth, parts, shape }))
    }

    pub(in crate::resolve) fn shape(&self) -> &Shape {
        &self.0.shape
    }

    pub(in crate::resolve) fn unknown() -> Self {
        Self::new(Shape::Unknown)
    }

    pub(in crate::resolve) fn null() -> Self {
        Self::new(Shape::Null)
    }

    pub(in crate::resolve) fn boolean() -> Self {
        Self::new(Shape::Boolean)
    }

    pub(in crate::resolve) fn number() -> Self {
        Self::new(Shape::Number)
    }

    pub(in crate::resolve) fn string() -> Self {
        Self::new(Shape::String)
    }

    /// Anything.
    pub(in crate::resolve) fn any() -> Self {
        Self(Arc::new(Inner { depth: 0, parts: 1, shape: Shape::Any(Vec::new()) }))
    }

    pub(in crate::resolve) fn array(items: Vec<Self>, rest: Self) -> Self {
        Self::new(Shape::Array(items, rest))
    }

    pub(in crate::resolve) fn object(mut fixed: Vec<(Key, Self)>, rest: Option<(Self, Self)>) -> Self {
        fixed.sort_by(|a, b| a.0.cmp(&b.0));
        Self::new(Shape::Object(fixed, rest))
    }

    pub(in crate::resolve) fn set(of: Self) -> Self {
        Self::new(Shape::Set(of))
    }

    pub(in crate::resolve) fn one_of(mut of: Vec<Self>) -> Self {
        of.sort_by(Self::compare);
        Self::new(Shape::Any(of))
    }

    pub(in crate::resolve) fn function(function: Function) -> Self {
        Self::new(Shape::Function(function))
    }

    /// The type of a constant.
    pub(in crate::resolve) fn of_key(key: &Key) -> Self {
        match key {
            Key::Null => Self::null(),
            Key::Bool(_) => Self::boolean(),
            Key::Number(_) => Self::number(),
            Key::String(_) => Self::string(),
            Key::Array(items) => Self::array(items.iter().map(Self::of_key).collect(), Self::unknown()),
            Key::Object(pairs) => {
                Self::object(pairs.iter().map(|(key, value)| (key.clone(), Self::of_key(value))).collect(), None)
            }
        }
    }

    pub(in crate::resolve) fn is_unknown(&self) -> bool {
        matches!(self.shape(), Shape::Unknown)
    }

    /// Whether it is anything at all.
    pub(in crate::resolve) fn is_any(&self) -> bool {
        matches!(self.shape(), Shape::Any(of) if of.is_empty())
    }

    pub(in crate::resolve) fn as_function(&self) -> Option<&Function> {
        if let Shape::Function(function) = self.shape() { Some(function) } else { None }
    }

    /// Whether a part of it is unknown, those of unions aside.
    pub(in crate::resolve) fn is_partly_unknown(&self) -> bool {
        match self.shape() {
            Shape::Unknown => true,
            Shape::Array(items, rest) => {
                items.iter().any(Self::is_partly_unknown) || !rest.is_unknown() && rest.is_partly_unknown()
            }
            Shape::Object(fixed, rest) => {
                fixed.iter().any(|(_, value)| value.is_partly_unknown())
                    || rest.as_ref().is_some_and(|(key, value)| key.is_partly_unknown() || value.is_partly_unknown())
            }
            Shape::Set(of) => of.is_partly_unknown(),
            Shape::Function(function) => {
                function.args.iter().any(Self::is_partly_unknown) || function.result.is_partly_unknown()
            }
            _ => false,
        }
    }

    /// Whether nothing can be in it: an object, array or set without members.
    pub(in crate::resolve) fn is_empty_collection(&self) -> bool {
        match self.shape() {
            Shape::Object(fixed, rest) => fixed.is_empty() && rest.is_none(),
            Shape::Array(items, rest) => items.is_empty() && rest.is_unknown(),
            Shape::Set(of) => of.is_unknown(),
            _ => false,
        }
    }

    /// The order that types of a union are in.
    pub(in crate::resolve) fn compare(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        match (self.shape(), other.shape()) {
            (Shape::Array(a, a_rest), Shape::Array(b, b_rest)) => match (a_rest.is_unknown(), b_rest.is_unknown()) {
                (false, true) => Ordering::Greater,
                (true, false) => Ordering::Less,
                _ => a_rest.compare(b_rest).then_with(|| compare_all(a, b)),
            },
            (Shape::Object(a, a_rest), Shape::Object(b, b_rest)) => {
                let rests = match (a_rest, b_rest) {
                    (Some(_), None) => Ordering::Greater,
                    (None, Some(_)) => Ordering::Less,
                    (None, None) => Ordering::Equal,
                    (Some(a), Some(b)) => a.0.compare(&b.0).then_with(|| a.1.compare(&b.1)),
                };
                let pairs = || {
                    let pair = |(a, b): (&(Key, Self), &(Key, Self))| a.0.cmp(&b.0).then_with(|| a.1.compare(&b.1));
                    a.iter().zip(b).map(pair).find(|order| order.is_ne())
                };
                rests.then_with(|| pairs().unwrap_or_else(|| a.len().cmp(&b.len())))
            }
            (Shape::Set(a), Shape::Set(b)) => a.compare(b),
            (Shape::Any(a), Shape::Any(b)) => compare_all(a, b),
            (Shape::Function(a), Shape::Function(b)) => a
                .args
                .len()
                .cmp(&b.args.len())
                .then_with(|| compare_all(&a.args, &b.args))
                .then_with(|| a.result.compare(&b.result))
                .then_with(|| a.more.compare(&b.more)),
            (a, b) => rank(a).cmp(&rank(b)),
        }
    }

    fn same(&self, other: &Self) -> bool {
        self.compare(other).is_eq()
    }

    /// Whether every `other` is this.
    pub(in crate::resolve) fn contains(&self, other: &Self) -> bool {
        match self.shape() {
            Shape::Any(of) => other.as_function().is_none() && (of.is_empty() || of.iter().any(|one| one.same(other))),
            _ => self.same(other),
        }
    }

    /// What is one or the other.
    pub(in crate::resolve) fn or(&self, other: &Self) -> Self {
        if self.is_unknown() {
            return other.clone();
        }
        if other.is_unknown() {
            return self.clone();
        }
        match (self.shape(), other.shape()) {
            (Shape::Function(a), Shape::Function(b)) => {
                if a.args.len() != b.args.len() || a.more.is_unknown() != b.more.is_unknown() {
                    return Self::unknown();
                }
                let args = a.args.iter().zip(&b.args).map(|(a, b)| a.or(b)).collect();
                Self::function(Function { args, more: a.more.or(&b.more), result: a.result.or(&b.result) })
            }
            (Shape::Function(_), _) | (_, Shape::Function(_)) => Self::unknown(),
            (Shape::Any(a), Shape::Any(b)) => {
                if a.is_empty() || b.is_empty() {
                    return Self::any();
                }
                let mut all = a.clone();
                all.extend(b.iter().filter(|one| !a.iter().any(|other| other.same(one))).cloned());
                Self::one_of(all)
            }
            (Shape::Any(of), _) => Self::with(self, of, other),
            (_, Shape::Any(of)) => Self::with(other, of, self),
            _ if self.same(other) => self.clone(),
            _ => Self::one_of(vec![self.clone(), other.clone()]),
        }
    }

    fn with(union: &Self, of: &[Self], other: &Self) -> Self {
        if union.contains(other) {
            return union.clone();
        }
        let mut all = of.to_vec();
        all.push(other.clone());
        Self::one_of(all)
    }

    /// The type of the member at a constant key; unknown if there is none.
    pub(in crate::resolve) fn select(&self, key: &Key) -> Self {
        match self.shape() {
            Shape::Array(items, rest) => match key {
                Key::Number(_) => match key.index() {
                    Some(at) => items.get(at).cloned().unwrap_or_else(|| rest.clone()),
                    None => Self::unknown(),
                },
                _ => Self::unknown(),
            },
            Shape::Object(fixed, rest) => {
                if let Ok(at) = fixed.binary_search_by(|(other, _)| other.cmp(key)) {
                    return fixed.get(at).map_or_else(Self::unknown, |(_, value)| value.clone());
                }
                match rest {
                    Some((keys, value)) if keys.contains(&Self::of_key(key)) => value.clone(),
                    _ => Self::unknown(),
                }
            }
            Shape::Set(of) => {
                let own = Self::of_key(key);
                match of.shape() {
                    _ if of.same(&own) => of.clone(),
                    Shape::Any(_) if of.contains(&own) => own,
                    _ => Self::unknown(),
                }
            }
            Shape::Any(of) if of.is_empty() => Self::any(),
            Shape::Any(of) => of.iter().fold(Self::unknown(), |all, one| one.select(key).or(&all)),
            _ => Self::unknown(),
        }
    }

    /// The type of the keys by which members are found; unknown if it has none.
    pub(in crate::resolve) fn keys(&self) -> Self {
        match self.shape() {
            Shape::Array(..) => Self::number(),
            Shape::Object(fixed, rest) => {
                let all = fixed.iter().fold(Self::unknown(), |all, (key, _)| all.or(&Self::of_key(key)));
                rest.iter().fold(all, |all, (key, _)| all.or(key))
            }
            Shape::Set(of) => of.clone(),
            Shape::Any(of) if of.is_empty() => Self::any(),
            Shape::Any(of) => of.iter().fold(Self::unknown(), |all, one| one.keys().or(&all)),
            _ => Self::unknown(),
        }
    }

    /// The type of the members; unknown if it has none.
    pub(in crate::resolve) fn values(&self) -> Self {
        match self.shape() {
            Shape::Array(items, rest) => items.iter().fold(Self::unknown(), |all, item| all.or(item)).or(rest),
            Shape::Object(fixed, rest) => {
                let all = fixed.iter().fold(Self::unknown(), |all, (_, value)| all.or(value));
                rest.iter().fold(all, |all, (_, value)| all.or(value))
            }
            Shape::Set(of) => of.clone(),
            Shape::Any(of) if of.is_empty() => Self::any(),
            Shape::Any(of) => of.iter().fold(Self::unknown(), |all, one| one.values().or(&all)),
            _ => Self::unknown(),
        }
    }

    /// Whether a value can be both.
    pub(in crate::resolve) fn unifies(&self, other: &Self) -> bool {
        if self.is_unknown() || other.is_unknown() {
            return false;
        }
        let one_of = |of: &[Self], other: &Self| {
            other.as_function().is_none() && (of.is_empty() || of.iter().any(|one| one.unifies(other)))
        };
        match (self.shape(), other.shape()) {
            (Shape::Any(a), Shape::Any(b)) => one_of(a, other) || one_of(b, self),
            (Shape::Any(of), _) => one_of(of, other),
            (_, Shape::Any(of)) => one_of(of, self),
            (Shape::Array(a, a_rest), Shape::Array(b, b_rest)) => {
                let at = |items: &[Self], rest: &Self, at: usize| items.get(at).unwrap_or(rest).clone();
                let fits = (0..a.len().max(b.len())).all(|i| at(a, a_rest, i).unifies(&at(b, b_rest, i)));
                fits && (a_rest.is_unknown() || b_rest.is_unknown() || a_rest.unifies(b_rest))
            }
            (Shape::Object(a, a_rest), Shape::Object(b, b_rest)) => {
                let open = |rest: &Option<(Self, Self)>| rest.as_ref().is_some_and(|(_, value)| !value.is_unknown());
                let either = open(a_rest) || open(b_rest);
                let fits = |fixed: &[(Key, Self)], other: &Self| {
                    fixed.iter().all(|(key, value)| {
                        let there = other.select(key);
                        if there.is_unknown() { either } else { value.unifies(&there) }
                    })
                };
                let rests = match (a_rest, b_rest) {
                    (Some((_, a)), Some((_, b))) => a.is_unknown() || b.is_unknown() || a.unifies(b),
                    _ => true,
                };
                fits(a, other) && fits(b, self) && rests
            }
            (Shape::Set(a), Shape::Set(b)) => a.is_unknown() || b.is_unknown() || a.unifies(b),
            (Shape::Function(a), Shape::Function(b)) => {
                a.args.len() == b.args.len() && a.args.iter().zip(&b.args).all(|(a, b)| a.unifies(b))
            }
            (a, b) => rank(a) == rank(b),
        }
    }
}

fn compare_all(a: &[Type], b: &[Type]) -> Ordering {
    let first = a.iter().zip(b).map(|(a, b)| a.compare(b)).find(|order| order.is_ne());
    first.unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn rank(shape: &Shape) -> u8 {
    match shape {
        Shape::Unknown => 0,
        Shape::Null => 1,
        Shape::Boolean => 2,
        Shape::Number => 3,
        Shape::String => 4,
        Shape::Array(..) => 5,
        Shape::Object(..) => 6,
        Shape::Set(_) => 7,
        Shape::Any(_) => 8,
        Shape::Function(_) => 9,
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[Type]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if at == 0 { "" } else { ", " })?;
    }
    Ok(())
}

/// The type as OPA writes it in errors.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape() {
            Shape::Unknown => f.write_str("???"),
            Shape::Null => f.write_str("null"),
            Shape::Boolean => f.write_str("boolean"),
            Shape::Number => f.write_str("number"),
            Shape::String => f.write_str("string"),
            Shape::Array(items, rest) => {
                f.write_str("array")?;
                if !items.is_empty() {
                    f.write_str("<")?;
                    list(f, items)?;
                    f.write_str(">")?;
                }
                if rest.is_unknown() { Ok(()) } else { write!(f, "[{rest}]") }
            }
            Shape::Object(fixed, rest) => {
                f.write_str("object")?;
                for (at, (key, value)) in fixed.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if at == 0 { "<" } else { ", " })?;
                }
                f.write_str(if fixed.is_empty() { "" } else { ">" })?;
                match rest {
                    Some((key, value)) => write!(f, "[{key}: {value}]"),
                    None => Ok(()),
                }
            }
            Shape::Set(of) if of.is_unknown() => f.write_str("set"),
            Shape::Set(of) => write!(f, "set[{of}]"),
            Shape::Any(of) if of.is_empty() => f.write_str("any"),
            Shape::Any(of) => {
                f.write_str("any<")?;
                list(f, of)?;
                f.write_str(">")
            }
            Shape::Function(function) => {
                f.write_str("(")?;
                list(f, &function.args)?;
                if !function.more.is_unknown() {
                    write!(f, "{}{}...", if function.args.is_empty() { "" } else { ", " }, function.more)?;
                }
                write!(f, ") => {}", function.result)
            }
        }
    }
}
