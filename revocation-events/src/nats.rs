//! Publishing to and subscribing from NATS.
