use bytes::Bytes;

use super::*;
use crate::extract::{Json, Key, Meta, State};
use crate::failure::FailureStage;
use crate::message::Headers;

fn call<H: Handler<A, u32>, A>(handler: H, message: Message) -> HandlerResult {
    let mut service = HandlerService::new(handler, 7_u32);
    futures_util::FutureExt::now_or_never(service.call(message)).expect("nothing to wait for")
}

#[test]
fn functions_of_any_shape_are_handlers() {
    let message = || Message::new("t").with_key("k").with_value("5");
    call(async || {}, message()).unwrap();
    call(
        async |Json(value): Json<u32>| assert_eq!(value, 5),
        message(),
    )
    .unwrap();
    let eight = async |Json(value): Json<u32>,
                       State(state): State<u32>,
                       Key(key): Key<String>,
                       bytes: Bytes,
                       headers: Headers,
                       meta: Meta,
                       whole: Message,
                       absent: Option<Json<u32>>| {
        assert_eq!((value, state, key.as_str(), bytes.len()), (5, 7, "k", 1));
        assert!(headers.is_empty() && meta.attempt == whole.attempt());
        assert_eq!(absent, Some(Json(5)));
        Ok::<(), HandlerError>(())
    };
    call(eight, message()).unwrap();
}

#[test]
fn failures_come_from_the_arguments_or_the_function() {
    let error = call(async |_: Json<u32>| {}, Message::new("t").with_value("x")).unwrap_err();
    assert_eq!(error.stage(), FailureStage::Decode);
    let fails = async || -> Result<(), std::num::ParseIntError> { "x".parse::<i32>().map(|_| ()) };
    let error = call(fails, Message::new("t")).unwrap_err();
    assert_eq!(error.stage(), FailureStage::Handle);
}
