//! A connection to one broker, and admin, producer and consumer clients for our own tools.
