//! Other people's clients against our broker.
