//! A shape as OpenAPI has it, in the structural form that an API server asks of a CustomResourceDefinition.

use portcullis_value::{Arena, Value};

use crate::schema::{Demand, Field, Printed, Shape, Version};

/// The schema of a document that has `fields` beside what every object has.
pub(super) fn document<'a>(
    arena: &'a Arena,
    doc: &'static str,
    fields: &'static [Field],
    version: Version,
) -> Value<'a> {
    let writer = Writer { arena, version, is_described: true };
    let mut properties = vec![
        (
            "apiVersion",
            writer.object(vec![
                ("type", "string".into()),
                ("description", "The group and version that the document is written in.".into()),
            ]),
        ),
        (
            "kind",
            writer
                .object(vec![("type", "string".into()), ("description", "The kind of the document.".into())]),
        ),
        ("metadata", writer.object(vec![("type", "object".into())])),
    ];
    properties.extend(writer.properties(fields));
    let mut keywords = vec![
        ("type", "object".into()),
        ("description", doc.into()),
        ("properties", writer.object(properties)),
    ];
    keywords.extend(writer.required(fields));
    writer.object(keywords)
}

/// A keyword of a schema, or a property, with its value.
type Entry<'a> = (&'a str, Value<'a>);

/// Writes the schemas of one version.
#[derive(Clone, Copy)]
struct Writer<'a> {
    arena: &'a Arena,
    version: Version,
    is_described: bool,
}

impl<'a> Writer<'a> {
    fn object(self, mut entries: Vec<Entry<'a>>) -> Value<'a> {
        self.arena.object(&mut entries)
    }

    fn texts(self, texts: &'static [&'static str]) -> Value<'a> {
        self.arena.array(&texts.iter().map(|text| Value::from(*text)).collect::<Vec<_>>())
    }

    fn schema(self, shape: &'static Shape) -> Value<'a> {
        self.object(self.keywords(shape))
    }

    fn keywords(self, shape: &'static Shape) -> Vec<Entry<'a>> {
        match shape {
            Shape::Any | Shape::Conditions | Shape::Undeclared(_) => vec![OPEN],
            Shape::Text => vec![("type", "string".into())],
            Shape::Flag => vec![("type", "boolean".into())],
            Shape::Integer => vec![("type", "integer".into())],
            Shape::Enum(allowed) => vec![("type", "string".into()), ("enum", self.texts(allowed))],
            Shape::List(items) => vec![("type", "array".into()), ("items", self.schema(items))],
            Shape::Map(values) => {
                vec![("type", "object".into()), ("additionalProperties", self.schema(values))]
            }
            Shape::Fields(fields) => {
                let mut keywords =
                    vec![("type", "object".into()), ("properties", self.object(self.properties(fields)))];
                keywords.extend(self.required(fields));
                keywords
            }
            Shape::Open(fields) => {
                let properties = self.object(self.properties(fields));
                vec![("type", "object".into()), ("properties", properties), OPEN]
            }
            Shape::Atomic(shape) => {
                let keyword = match shape {
                    Shape::List(_) => "x-kubernetes-list-type",
                    _ => "x-kubernetes-map-type",
                };
                let mut keywords = self.keywords(shape);
                keywords.push((keyword, "atomic".into()));
                keywords
            }
            Shape::Copied(shape) => {
                Writer { version: Version::V1, is_described: false, ..self }.keywords(shape)
            }
            Shape::With(shape, demands) => {
                let mut keywords = self.keywords(shape);
                keywords.extend(demands.iter().map(|demand| self.demand(demand)));
                keywords
            }
        }
    }

    fn properties(self, fields: &'static [Field]) -> Vec<Entry<'a>> {
        let fields = fields.iter().filter(|field| field.is_in(self.version));
        fields.map(|field| (field.name, self.property(field))).collect()
    }

    fn property(self, field: &'static Field) -> Value<'a> {
        let mut keywords = self.keywords(field.shape);
        if self.is_described {
            let description = match field.printed {
                Printed::Default(json) => {
                    self.arena.format(format_args!("{} Defaults to `{json}`.", field.doc))
                }
                _ => field.doc,
            };
            keywords.push(("description", description.into()));
        }
        self.object(keywords)
    }

    fn required(self, fields: &'static [Field]) -> Option<Entry<'a>> {
        let fields = fields.iter().filter(|field| field.is_required && field.is_in(self.version));
        let mut names: Vec<_> = fields.map(|field| field.name).collect();
        names.sort_unstable();
        let names: Vec<_> = names.into_iter().map(Value::from).collect();
        (!names.is_empty()).then(|| ("required", self.arena.array(&names)))
    }

    fn demand(self, demand: &'static Demand) -> Entry<'a> {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX).into();
        let required = |keys| self.object(vec![("required", self.texts(keys))]);
        match demand {
            Demand::NotTogether(keys) => ("not", required(keys)),
            Demand::ExactlyOne(keys) => {
                let each: Vec<_> = keys.chunks(1).map(required).collect();
                ("oneOf", self.arena.array(&each))
            }
            Demand::Shortest(least) => ("minLength", number(*least)),
            Demand::Longest(most) => ("maxLength", number(*most)),
            Demand::AtLeast(least) => ("minimum", (*least).into()),
            Demand::Match(pattern) => ("pattern", (*pattern).into()),
            Demand::Format(format) => ("format", (*format).into()),
        }
    }
}

/// What lets other keys, or anything at all, be.
const OPEN: Entry<'static> = ("x-kubernetes-preserve-unknown-fields", Value::Bool(true));
