//! The types of values.

use std::fmt;

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A whole number of 64 bits that is not negative.
    Uint,
    /// A finite floating-point number of 64 bits.
    Double,
    /// Text.
    String,
    /// A span of time, in nanoseconds.
    Duration,
    /// Values of one type.
    List(Box<Type>),
    /// Values of one type by keys of one type, which is `bool`, `int`, `uint` or `string`.
    Map(Box<Type>, Box<Type>),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Kind::from(self).fmt(f)
    }
}

/// A type while it is being found out: the elements of `[]` have none yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whatever is needed: there is no value of it.
    Unknown,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Duration,
    List(Box<Kind>),
    Map(Box<Kind>, Box<Kind>),
}

impl From<&Type> for Kind {
    fn from(known: &Type) -> Kind {
        match known {
            Type::Bool => Kind::Bool,
            Type::Int => Kind::Int,
            Type::Uint => Kind::Uint,
            Type::Double => Kind::Double,
            Type::String => Kind::String,
            Type::Duration => Kind::Duration,
            Type::List(element) => Kind::List(Box::new(element.as_ref().into())),
            Type::Map(key, value) => Kind::Map(
                Box::new(key.as_ref().into()),
                Box::new(value.as_ref().into()),
            ),
        }
    }
}

impl Kind {
    /// The type that both are, if there is one.
    pub(crate) fn join(&self, other: &Kind) -> Option<Kind> {
        match (self, other) {
            (Kind::Unknown, known) | (known, Kind::Unknown) => Some(known.clone()),
            (Kind::List(one), Kind::List(two)) => Some(Kind::List(Box::new(one.join(two)?))),
            (Kind::Map(key, value), Kind::Map(other_key, other_value)) => Some(Kind::Map(
                Box::new(key.join(other_key)?),
                Box::new(value.join(other_value)?),
            )),
            (one, two) => (one == two).then(|| one.clone()),
        }
    }

    pub(crate) fn is(&self, other: &Kind) -> bool {
        self.join(other).is_some()
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Kind::Int | Kind::Uint | Kind::Double)
    }

    /// Whether it can be the key of a map.
    pub(crate) fn is_key(&self) -> bool {
        matches!(
            self,
            Kind::Unknown | Kind::Bool | Kind::Int | Kind::Uint | Kind::String
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Unknown => f.write_str("nothing"),
            Kind::Bool => f.write_str("bool"),
            Kind::Int => f.write_str("int"),
            Kind::Uint => f.write_str("uint"),
            Kind::Double => f.write_str("double"),
            Kind::String => f.write_str("string"),
            Kind::Duration => f.write_str("duration"),
            Kind::List(element) => write!(f, "list({element})"),
            Kind::Map(key, value) => write!(f, "map({key}, {value})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_joins_every_list() {
        let list = |element| Kind::List(Box::new(element));
        assert_eq!(
            list(Kind::Unknown).join(&list(Kind::Int)),
            Some(list(Kind::Int))
        );
        assert_eq!(list(Kind::String).join(&list(Kind::Int)), None);
        let map = Type::Map(Box::new(Type::String), Box::new(Type::Int));
        assert_eq!(
            Type::List(Box::new(map)).to_string(),
            "list(map(string, int))"
        );
    }
}
