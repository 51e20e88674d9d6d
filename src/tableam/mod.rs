//! tableam
