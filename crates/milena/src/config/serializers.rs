//! `key.serializer` and its like: which classes of others mean what Milena does anyway.
//!
//! In Milena the type of a key or a value says how it is written and read, so the settings
//! change nothing. What they name must be something that a type here stands for.

/// What the settings may be, for errors.
pub(crate) const SERIALIZERS_ALLOWED: &str = "a class of Kafka's for texts, bytes, integers, floats or UUIDs, or one for JSON; \
     types decide here: implement ToBytes to write other formats, FromMessage to read them";

/// Names of formats, without `Serializer` or `Deserializer`, in lower case.
const FORMATS: [&str; 13] = [
    "bytearray",
    "bytebuffer",
    "bytes",
    "double",
    "float",
    "integer",
    "json",
    "kafkajson",
    "long",
    "short",
    "string",
    "uuid",
    "void",
];

/// Whether there is a type for what the class reads or writes: `StringSerializer`,
/// `org.apache.kafka.common.serialization.LongDeserializer`, `string`.
pub(crate) fn is_known(class: &str) -> bool {
    let name = class.rsplit('.').next().unwrap_or(class);
    let name = name.to_ascii_lowercase();
    let format = name
        .strip_suffix("deserializer")
        .or_else(|| name.strip_suffix("serializer"))
        .unwrap_or(&name);
    FORMATS.contains(&format)
}
