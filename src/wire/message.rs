//! The macro [`message!`](message), by which `messages/` states every message once, and the traits it implements.
//!
//! ```text
//! /// What it is for.
//! ProduceRequest: request Produce -> ProduceResponse {      // or `response Produce`, or nothing for a nested struct
//!     /// Where the name does not say enough.
//!     transactional_id: Option<Str>, 3..;                   // name: type, versions that carry it
//!     log_append_time_ms: i64, 2.., default -1, else drop;  // what it starts as; at other versions it is dropped silently
//!     topics: Option<Vec<T>>, 0.., null 7..;                // nullable, but null only at these versions
//!     @0 current_leader: T, 10..;                           // tagged fields, ascending, after all others
//! }
//! ```
//!
//! Without `default` a field starts as zero, empty, or null where it is an `Option`; `default empty()` is an `Option` that does
//! not start as null. A version that does not carry a field without `else drop` refuses to be written unless the field has its
//! default: the peer would act on less than it was told. Versions and the first flexible one stand in `api_key.rs`.

use std::fmt::Debug;

use super::api_key::ApiKey;
use super::error::DecodeError;
use super::field::Field;
use super::reader::Reader;
use super::writer::Writer;

/// A request or response.
pub trait Message: Field + Clone + Debug + PartialEq + Default + Send + Sync + 'static {
    /// The API it belongs to.
    const KEY: ApiKey;

    /// Reads the message at `version`. Bytes after it are left alone, as Kafka does.
    fn read(r: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        r.enter(Self::KEY, version)?;
        Self::get(r)
    }

    /// Writes the message at `version`; errors come out of [`Writer::finish`].
    fn write(&self, w: &mut Writer, version: i16) {
        if w.enter(Self::KEY, version) {
            self.put(w);
        }
    }
}

/// A message that asks.
pub trait Request: Message {
    /// The message that answers.
    type Response: Message;
}

macro_rules! message {
    ($(
        $(#[$meta:meta])*
        $name:ident $(: $role:ident $key:ident $(-> $response:ident)?)? {
            $($(#[$field_meta:meta])* $field:ident: $ty:ty, $in:expr
                $(, null $null:expr)? $(, default $default:expr)? $(, else $drop:ident)?;)*
            $(@$tag:literal $tagged:ident: $tagged_ty:ty, $tagged_in:expr
                $(, default $tagged_default:expr)? $(, else $tagged_drop:ident)?;)*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // a nested struct is explained where it is used
        pub struct $name {
            $($(#[$field_meta])* #[doc = concat!("\n\nVersions `", stringify!($in), "`.")] pub $field: $ty,)*
            $(#[doc = concat!("Versions `", stringify!($tagged_in), "`, tagged.")] pub $tagged: $tagged_ty,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $crate::wire::message::first!($($default,)? Default::default()),)*
                    $($tagged: $crate::wire::message::first!($($tagged_default,)? Default::default()),)*
                }
            }
        }

        #[allow(unused_variables, unused_mut)] // in structs without fields, or without tagged ones
        impl $crate::wire::field::Field for $name {
            fn get(r: &mut $crate::wire::reader::Reader) -> Result<Self, $crate::wire::error::DecodeError> {
                let version = r.version();
                let mut it = Self {
                    $($field: if ($in).contains(&version) {
                        $crate::wire::field::Field::get(r)?
                    } else {
                        $crate::wire::message::first!($($default,)? Default::default())
                    },)*
                    $($tagged: $crate::wire::message::first!($($tagged_default,)? Default::default()),)*
                };
                $($(if it.$field.is_none() && !($null).contains(&version) {
                    return Err($crate::wire::error::DecodeError::Null);
                })?)*
                if r.flexible() {
                    r.tags(&mut |r, tag| {
                        match tag {
                            $($tag if ($tagged_in).contains(&version) => {
                                it.$tagged = $crate::wire::field::Field::get(r)?;
                            })*
                            _ => {}
                        }
                        Ok(())
                    })?;
                }
                Ok(it)
            }

            fn put(&self, w: &mut $crate::wire::writer::Writer) {
                let version = w.version();
                $(
                    if ($in).contains(&version) {
                        $(if self.$field.is_none() && !($null).contains(&version) {
                            w.not_nullable(stringify!($name), stringify!($field));
                        })?
                        $crate::wire::field::Field::put(&self.$field, w);
                    } else {
                        $crate::wire::message::refuse!(w, $name, self.$field, $field $(, default $default)? $(, else $drop)?);
                    }
                )*
                $(
                    let $tagged = !$crate::wire::message::is_default!(self.$tagged $(, $tagged_default)?);
                    if $tagged && !($tagged_in).contains(&version) {
                        $crate::wire::message::refuse!(w, $name, self.$tagged, $tagged $(, default $tagged_default)? $(, else $tagged_drop)?);
                    }
                    let $tagged = $tagged && ($tagged_in).contains(&version);
                )*
                if w.flexible() {
                    w.uvarint(0 $(+ u32::from($tagged))*);
                    $(if $tagged {
                        let start = w.begin_tag($tag);
                        $crate::wire::field::Field::put(&self.$tagged, w);
                        w.end_tag(start);
                    })*
                }
            }

            fn is_unset(&self) -> bool {
                *self == Self::default()
            }

            #[cfg(feature = "sim")]
            fn arbitrary(g: &mut $crate::wire::arbitrary::Gen) -> Self {
                let version = g.version();
                let mut it = Self::default();
                $(if ($in).contains(&version) {
                    it.$field = $crate::wire::field::Field::arbitrary(g);
                    $(if it.$field.is_none() && !($null).contains(&version) {
                        it.$field = $crate::wire::field::empty();
                    })?
                })*
                $(if ($tagged_in).contains(&version) {
                    it.$tagged = $crate::wire::field::Field::arbitrary(g);
                })*
                it
            }
        }

        $($crate::wire::message::role!($role $key $name $($response)?);)?
    )*};
}

/// The first of one or two expressions.
macro_rules! first {
    ($first:expr $(, $second:expr)?) => {
        $first
    };
}

/// Whether a field has its declared default.
macro_rules! is_default {
    ($value:expr) => {
        $crate::wire::field::Field::is_unset(&$value)
    };
    ($value:expr, $default:expr) => {
        $value == $default
    };
}

/// What to do with a field the version does not carry.
macro_rules! refuse {
    ($w:ident, $name:ident, $value:expr, $field:ident $(, default $default:expr)?, else drop) => {};
    ($w:ident, $name:ident, $value:expr, $field:ident $(, default $default:expr)?) => {
        if !$crate::wire::message::is_default!($value $(, $default)?) {
            $w.not_carried(stringify!($name), stringify!($field));
        }
    };
}

/// Makes a struct a request or a response.
macro_rules! role {
    (request $key:ident $name:ident $response:ident) => {
        impl $crate::wire::message::Message for $name {
            const KEY: $crate::wire::api_key::ApiKey = $crate::wire::api_key::ApiKey::$key;
        }

        impl $crate::wire::message::Request for $name {
            type Response = $response;
        }
    };
    (response $key:ident $name:ident) => {
        impl $crate::wire::message::Message for $name {
            const KEY: $crate::wire::api_key::ApiKey = $crate::wire::api_key::ApiKey::$key;
        }
    };
}

pub(in crate::wire) use {first, is_default, message, refuse, role};
