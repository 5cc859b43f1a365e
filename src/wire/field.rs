//! [`Field`]: how each type of field is read and written.
//!
//! Implemented here for the primitives, arrays and nullables, and by `message!` for structs.

use bytes::Bytes;
use uuid::Uuid;

#[cfg(feature = "sim")]
use super::arbitrary::Gen;
use super::error::DecodeError;
use super::reader::Reader;
use super::types::{Records, Str};
use super::writer::Writer;
use crate::base::TopicId;

/// A type a field of a message may have.
pub trait Field: Sized {
    /// Reads a value at the reader's version.
    fn get(r: &mut Reader) -> Result<Self, DecodeError>;

    /// Writes the value at the writer's version.
    fn put(&self, w: &mut Writer);

    /// True for the value a field without a declared default starts with.
    fn is_unset(&self) -> bool;

    /// Reads a value or null. Unless told otherwise by the type, a byte in front says which (as for structs).
    fn get_nullable(r: &mut Reader) -> Result<Option<Self>, DecodeError> {
        if r.i8()? < 0 { Ok(None) } else { Self::get(r).map(Some) }
    }

    /// Writes a value or null.
    fn put_nullable(value: Option<&Self>, w: &mut Writer) {
        w.i8(if value.is_some() { 1 } else { -1 });
        if let Some(value) = value {
            value.put(w);
        }
    }

    /// Some value the generator's version carries.
    #[cfg(feature = "sim")]
    fn arbitrary(g: &mut Gen) -> Self;
}

/// The default of a nullable field that Kafka does not let start as null.
pub fn empty<T: Default>() -> Option<T> {
    Some(T::default())
}

macro_rules! number {
    ($($ty:ty: |$r:ident| $get:expr, |$value:ident, $w:ident| $put:expr;)*) => {$(
        impl Field for $ty {
            fn get($r: &mut Reader) -> Result<Self, DecodeError> {
                $get
            }

            fn put(&self, $w: &mut Writer) {
                let $value = *self;
                $put
            }

            fn is_unset(&self) -> bool {
                *self == Self::default()
            }

            #[cfg(feature = "sim")]
            fn arbitrary(g: &mut Gen) -> Self {
                g.number() as _
            }
        }
    )*};
}

number! {
    i8: |r| r.i8(), |v, w| w.i8(v);
    i16: |r| r.i16(), |v, w| w.i16(v);
    u16: |r| r.i16().map(|v| v as u16), |v, w| w.i16(v as i16);
    i32: |r| r.i32(), |v, w| w.i32(v);
    i64: |r| r.i64(), |v, w| w.i64(v);
    f64: |r| r.i64().map(|v| f64::from_bits(v as u64)), |v, w| w.i64(v.to_bits() as i64);
}

impl Field for bool {
    fn get(r: &mut Reader) -> Result<Self, DecodeError> {
        r.i8().map(|byte| byte != 0)
    }

    fn put(&self, w: &mut Writer) {
        w.i8(i8::from(*self));
    }

    fn is_unset(&self) -> bool {
        !*self
    }

    #[cfg(feature = "sim")]
    fn arbitrary(g: &mut Gen) -> Self {
        g.below(2) == 1
    }
}

impl Field for Uuid {
    fn get(r: &mut Reader) -> Result<Self, DecodeError> {
        r.uuid().map(Uuid::from_bytes)
    }

    fn put(&self, w: &mut Writer) {
        w.uuid(self.as_bytes());
    }

    fn is_unset(&self) -> bool {
        self.is_nil()
    }

    #[cfg(feature = "sim")]
    fn arbitrary(g: &mut Gen) -> Self {
        g.uuid()
    }
}

impl Field for TopicId {
    fn get(r: &mut Reader) -> Result<Self, DecodeError> {
        Uuid::get(r).map(TopicId)
    }

    fn put(&self, w: &mut Writer) {
        self.0.put(w);
    }

    fn is_unset(&self) -> bool {
        self.is_zero()
    }

    #[cfg(feature = "sim")]
    fn arbitrary(g: &mut Gen) -> Self {
        TopicId(Uuid::arbitrary(g))
    }
}

impl Field for Str {
    fn get(r: &mut Reader) -> Result<Self, DecodeError> {
        r.str()?.ok_or(DecodeError::Null)
    }

    fn put(&self, w: &mut Writer) {
        w.str(Some(self));
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }

    fn get_nullable(r: &mut Reader) -> Result<Option<Self>, DecodeError> {
        r.str()
    }

    fn put_nullable(value: Option<&Self>, w: &mut Writer) {
        w.str(value.map(Str::as_str));
    }

    #[cfg(feature = "sim")]
    fn arbitrary(g: &mut Gen) -> Self {
        g.text().into()
    }
}

impl Field for Bytes {
    fn get(r: &mut Reader) -> Result<Self, DecodeError> {
        r.bytes()?.ok_or(DecodeError::Null)
    }

    fn put(&self, w: &mut Writer) {
        w.bytes(Some(self));
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }

    fn get_nullable(r: &mut Reader) -> Result<Option<Self>, DecodeError> {
        r.bytes()
    }

    fn put_nullable(value: Option<&Self>, w: &mut Writer) {
        w.bytes(value.map(|bytes| &bytes[..]));
    }

    #[cfg(feature = "sim")]
    fn arbitrary(g: &mut Gen) -> Self {
        g.text().into()
    }
}

impl Field for Records {
    fn get(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(r.bytes()?.map_or(Records::Null, Records::Bytes))
    }

    fn put(&self, w: &mut Writer) {
        match self {
            Records::Null => w.bytes(None),
            Records::Bytes(bytes) => w.bytes(Some(bytes)),
            Records::Hole(len) => w.hole(*len),
        }
    }

    fn is_unset(&self) -> bool {
        self.is_null()
    }

    #[cfg(feature = "sim")]
    fn arbitrary(g: &mut Gen) -> Self {
        Option::<Bytes>::arbitrary(g).map_or(Records::Null, Records::Bytes)
    }
}

impl<T: Field> Field for Vec<T> {
    fn get(r: &mut Reader) -> Result<Self, DecodeError> {
        Self::get_nullable(r)?.ok_or(DecodeError::Null)
    }

    fn put(&self, w: &mut Writer) {
        Self::put_nullable(Some(self), w);
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }

    fn get_nullable(r: &mut Reader) -> Result<Option<Self>, DecodeError> {
        let Some(count) = r.array(size_of::<T>())? else { return Ok(None) };
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(T::get(r)?);
        }
        Ok(Some(entries))
    }

    fn put_nullable(value: Option<&Self>, w: &mut Writer) {
        w.array(value.map(Vec::len));
        for entry in value.into_iter().flatten() {
            entry.put(w);
        }
    }

    #[cfg(feature = "sim")]
    fn arbitrary(g: &mut Gen) -> Self {
        (0..g.count()).map(|_| T::arbitrary(g)).collect()
    }
}

impl<T: Field> Field for Option<T> {
    fn get(r: &mut Reader) -> Result<Self, DecodeError> {
        T::get_nullable(r)
    }

    fn put(&self, w: &mut Writer) {
        T::put_nullable(self.as_ref(), w);
    }

    fn is_unset(&self) -> bool {
        self.is_none()
    }

    #[cfg(feature = "sim")]
    fn arbitrary(g: &mut Gen) -> Self {
        (g.below(4) > 0).then(|| T::arbitrary(g))
    }
}
