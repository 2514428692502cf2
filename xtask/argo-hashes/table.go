package main

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log"
	"reflect"
	"strings"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const head = `//! How Go's encoding/json writes a pod template (k8s.io/api 0.34.5) and a canary's steps (Argo Rollouts 1.10.1):
//! for each struct its fields in declared order. Made by ` + "`cargo xtask generate --argo-hashes`" + `; changes belong into
//! xtask/argo-hashes.

use super::fields::{Kind, Struct, kept, omitted};

`

// Types that write and read themselves.
var special = map[reflect.Type]string{
	reflect.TypeFor[resource.Quantity]():  "Kind::Quantity",
	reflect.TypeFor[intstr.IntOrString](): "Kind::IntOrText",
	reflect.TypeFor[metav1.Time]():        "Kind::Time",
	reflect.TypeFor[metav1.FieldsV1]():    "Kind::Raw",
	reflect.TypeFor[json.RawMessage]():    "Kind::Raw",
}

type field struct {
	name  string
	typ   reflect.Type
	omits bool
}

type table struct {
	text  bytes.Buffer
	names map[string]reflect.Type
}

func writeTable(out *bytes.Buffer) {
	table := table{names: map[string]reflect.Type{}}
	template := table.structure(reflect.TypeFor[corev1.PodTemplateSpec]())
	step := table.structure(reflect.TypeFor[v1alpha1.CanaryStep]())
	out.WriteString(head)
	fmt.Fprintf(out, "/// A pod template.\npub(crate) const TEMPLATE: Kind = Kind::Struct(&%s);\n", template)
	fmt.Fprintf(out, "/// A canary's steps.\npub(crate) const STEPS: Kind = Kind::List(&Kind::Struct(&%s));\n\n", step)
	out.Write(table.text.Bytes())
}

// The name of a struct's constant, which is written before those that need it.
func (t *table) structure(typ reflect.Type) string {
	name := constant(typ.Name())
	if known, exists := t.names[name]; exists {
		if known != typ {
			log.Fatalf("%v and %v have the same name", known, typ)
		}
		return name
	}
	t.names[name] = typ
	var body strings.Builder
	seen := map[string]bool{}
	for _, field := range fieldsOf(typ) {
		if seen[field.name] {
			log.Fatalf("%v: %s is there twice", typ, field.name)
		}
		seen[field.name] = true
		make := "kept"
		if field.omits {
			make = "omitted"
		}
		fmt.Fprintf(&body, "    %s(%q, %s),\n", make, field.name, t.kind(field.typ))
	}
	fmt.Fprintf(&t.text, "const %s: Struct = Struct(&[\n%s]);\n", name, body.String())
	return name
}

func (t *table) kind(typ reflect.Type) string {
	if kind, is := special[typ]; is {
		return kind
	}
	for _, own := range []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler](),
		reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	} {
		if typ.Kind() != reflect.Pointer && (typ.Implements(own) || reflect.PointerTo(typ).Implements(own)) {
			log.Fatalf("%v writes or reads itself, and it is not known how", typ)
		}
	}
	switch typ.Kind() {
	case reflect.Bool:
		return "Kind::Bool"
	case reflect.Int32:
		return "Kind::Int32"
	case reflect.Int64:
		return "Kind::Int64"
	case reflect.String:
		return "Kind::Text"
	case reflect.Struct:
		return fmt.Sprintf("Kind::Struct(&%s)", t.structure(typ))
	case reflect.Pointer:
		return fmt.Sprintf("Kind::Pointer(&%s)", t.kind(typ.Elem()))
	case reflect.Slice:
		if typ.Elem().Kind() != reflect.Uint8 {
			return fmt.Sprintf("Kind::List(&%s)", t.kind(typ.Elem()))
		}
	case reflect.Map:
		if typ.Key().Kind() == reflect.String {
			return fmt.Sprintf("Kind::Map(&%s)", t.kind(typ.Elem()))
		}
	}
	log.Fatalf("%v: it is not known how it is written", typ)
	return ""
}

// The fields of a struct with those of the structs that it embeds, in the order in which Go writes them.
func fieldsOf(typ reflect.Type) []field {
	var fields []field
	for i := range typ.NumField() {
		member := typ.Field(i)
		name, options, _ := strings.Cut(member.Tag.Get("json"), ",")
		if name == "-" || (!member.IsExported() && !member.Anonymous) {
			continue
		}
		if member.Anonymous && name == "" {
			if member.Type.Kind() != reflect.Struct {
				log.Fatalf("%v embeds %v, which is no struct", typ, member.Type)
			}
			fields = append(fields, fieldsOf(member.Type)...)
			continue
		}
		if name == "" {
			log.Fatalf("%v.%s has no name in JSON", typ, member.Name)
		}
		fields = append(fields, field{name, member.Type, omits(typ, member, strings.Split(options, ","))})
	}
	return fields
}

// Whether a field is left out when it says nothing. A struct is never empty to Go; it can be zero.
func omits(typ reflect.Type, member reflect.StructField, options []string) bool {
	isStruct := member.Type.Kind() == reflect.Struct
	omits := false
	for _, option := range options {
		switch option {
		case "omitzero":
			if member.Type != reflect.TypeFor[metav1.Time]() {
				log.Fatalf("%v.%s: it is not known when it is zero", typ, member.Name)
			}
			omits = true
		case "omitempty":
			omits = omits || !isStruct
		case "", "inline":
		default:
			log.Fatalf("%v.%s: `%s` is not known", typ, member.Name, option)
		}
	}
	return omits
}

// ContainerPort to CONTAINER_PORT, HTTPGetAction to HTTP_GET_ACTION.
func constant(name string) string {
	isUpper := func(i int) bool { return i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	var text strings.Builder
	for i := range len(name) {
		if i > 0 && isUpper(i) && (!isUpper(i-1) || (i+1 < len(name) && !isUpper(i+1))) {
			text.WriteByte('_')
		}
		text.WriteByte(name[i])
	}
	return strings.ToUpper(text.String())
}
