//! kill -9 of `milena broker --data DIR` under load: what was acknowledged stays.
