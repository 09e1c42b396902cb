//! JSON in and out, as Kodosumi's server takes and gives it.

use std::marker::PhantomData;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, Visitor};

use super::body;
use super::error::{ApiError, ApiResult};

/// A compact JSON answer.
pub(crate) fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

/// Reads a JSON body whatever its content type says.
pub(crate) async fn read<T: DeserializeOwned>(body: Body, limit: usize) -> ApiResult<T> {
    let bytes = body::collect(body, limit).await?;
    let object: Result<Object<T>, _> = serde_json::from_slice(&bytes);
    object.map(|object| object.0).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => ApiError::validation(format!("The body does not fit: {error}")),
        _ => ApiError::client(format!("The body is no JSON: {error}")),
    })
}

/// A JSON object and nothing else: serde would fill a struct from an array, too.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// A whole number as Kodosumi's server takes it: 1, 1.0 and "1".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) i64);

impl std::str::FromStr for Count {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        text.parse().map(Self).or_else(|_| {
            // A fraction of zeros; no exponent, sign alone or other form of a float.
            let (whole, zeros) = text.split_once('.').ok_or(())?;
            let is_zero = !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0');
            if is_zero { whole.parse().map(Self).map_err(|_| ()) } else { Err(()) }
        })
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Count;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Count, E> {
                Ok(Count(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Count, E> {
                i64::try_from(value).map(Count).map_err(E::custom)
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Count, E> {
                // Every whole number below 2^53 is exact in a float.
                if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
                    return Ok(Count(value as i64));
                }
                Err(E::custom("a number with a fraction"))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Count, E> {
                text.parse().map_err(|()| E::custom("text that is no whole number"))
            }
        }
        deserializer.deserialize_any(Whole)
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, Object};

    #[test]
    fn an_array_is_no_object() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "it is read into only")]
        struct Pair {
            a: u8,
            b: u8,
        }
        assert!(serde_json::from_str::<Pair>("[1, 2]").is_ok());
        assert!(serde_json::from_str::<Object<Pair>>("[1, 2]").is_err());
        assert!(serde_json::from_str::<Object<Pair>>("{\"a\": 1, \"b\": 2}").is_ok());
        assert!(serde_json::from_str::<Object<Pair>>("{\"a\": 1}").is_err());
    }

    #[test]
    fn counts_are_taken_as_kodosumi_takes_them() {
        for text in ["1", "1.0", "\"1\"", "\"1.0\"", "1e0"] {
            assert_eq!(serde_json::from_str::<Count>(text).ok(), Some(Count(1)), "{text}");
        }
        assert_eq!(serde_json::from_str::<Count>("-1").ok(), Some(Count(-1)));
        for text in [
            "1.5",
            "true",
            "null",
            "\"\"",
            "\"x\"",
            "\"1.5\"",
            "\"1.\"",
            "[1]",
            "{}",
            "1e300",
            "18446744073709551615",
        ] {
            assert!(serde_json::from_str::<Count>(text).is_err(), "{text}");
        }
    }
}
