//! How the API's structs are declared.

/// Whether a value says nothing and is left out when written.
pub(super) fn is_empty<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Declares structs of the API: camel-case names, empty values for what is missing, `required` fields
/// always written and required by the CRD, `optional` ones written when they are not empty.
macro_rules! wire {
    ($(
        $(#[$outer:meta])*
        $name:ident {
            $(required { $( $(#[$required_meta:meta])* $required:ident: $required_type:ty, )* })?
            $(optional { $( $(#[$optional_meta:meta])* $optional:ident: $optional_type:ty, )* })?
        }
    )*) => {$(
        #[derive(
            Clone, Debug, Default, PartialEq,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        $(#[$outer])*
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $($( $(#[$required_meta])* pub $required: $required_type, )*)?
            $($(
                $(#[$optional_meta])*
                #[serde(skip_serializing_if = "crate::api::wire::is_empty")]
                pub $optional: $optional_type,
            )*)?
        }
    )*};
}
