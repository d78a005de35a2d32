//! Proof that wire's bytes are Kafka's: against kafka-protocol and against the message definitions of kafka-clients.
