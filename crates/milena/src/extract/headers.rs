//! `Headers`: all headers in order.

use std::convert::Infallible;

use super::FromMessage;
use crate::message::{Headers, Message};

impl<S> FromMessage<S> for Headers {
    type Rejection = Infallible;

    fn from_message(message: &Message, _state: &S) -> Result<Headers, Infallible> {
        Ok(message.to_headers())
    }
}
