"""The targets by name. Apart from them, for atheris has to be at work before what it watches is imported."""

NAMES = (
    "demultiplexer",
    "packets",
    "dialogue",
    "description",
    "header_fields",
    "parameter_sets",
    "reception",
    "soap_answer",
    "device_address",
    "events",
    "announcement",
    "subscription",
    "inspection",
    "report",
    "upper_answer",
    "downlink",
    "press",
)
