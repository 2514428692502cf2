//! What is known of a Go type: how it is written, and when it is left out.

/// The fields of a struct, in the order in which they are written.
pub(super) struct Struct(pub(super) &'static [Field]);

/// A field of a struct.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether it is left out when it is empty: zero, no text, no items, nothing pointed to.
    pub(super) is_omitted: bool,
}

/// A field that is always written.
pub(super) const fn kept(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        is_omitted: false,
    }
}

/// A field that is left out when it is empty.
pub(super) const fn omitted(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        is_omitted: true,
    }
}

/// How a type is read and written.
pub(super) enum Kind {
    Bool,
    Int32,
    Int64,
    Text,
    /// `resource.Quantity`: a text or a number, written in its canonical form.
    Quantity,
    /// `intstr.IntOrString`
    IntOrText,
    /// `metav1.Time`: UTC and whole seconds; `null` when it is zero.
    Time,
    /// JSON of any form, written as it was read.
    Raw,
    Struct(&'static Struct),
    Pointer(&'static Kind),
    List(&'static Kind),
    /// Keys are texts, and are written in their order.
    Map(&'static Kind),
}
