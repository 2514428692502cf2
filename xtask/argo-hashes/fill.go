package main

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var texts = []string{"a", "b", "", "ü", "<b>&", "日本", "\"\\", "\t\u0001", "😀", "1", "x/y"}
var amounts = []string{"1", "100m", "0.5", "1Gi", "1024Mi", "1e3", "1.5Gi", "12.345", "0"}

// Deepest structs that are filled: JSON of a template ends somewhere.
const depthMax = 14

// Fills the field at a path of fields with everything that it has.
func fillAt(random *rand.Rand, value reflect.Value, path []int) {
	switch {
	case len(path) == 0:
		fill(random, value, 1, 0)
	case value.Kind() == reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		fillAt(random, value.Elem(), path)
	case value.Kind() == reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		fillAt(random, value.Index(0), path)
	default:
		fillAt(random, value.Field(path[0]), path[1:])
	}
}

// Fills a value; the fields of structs with a probability.
func fill(random *rand.Rand, value reflect.Value, probability float64, depth int) {
	text := func() string { return texts[random.IntN(len(texts))] }
	if depth > depthMax {
		return
	}
	switch value.Interface().(type) {
	case resource.Quantity:
		value.Set(reflect.ValueOf(resource.MustParse(amounts[random.IntN(len(amounts))])))
		return
	case intstr.IntOrString:
		if random.IntN(2) == 0 {
			value.Set(reflect.ValueOf(intstr.FromInt32(random.Int32N(70_000))))
		} else {
			value.Set(reflect.ValueOf(intstr.FromString(text())))
		}
		return
	case metav1.Time:
		value.Set(reflect.ValueOf(metav1.Unix(random.Int64N(2_000_000_000), 0).Rfc3339Copy()))
		value.Set(reflect.ValueOf(metav1.NewTime(value.Interface().(metav1.Time).In(time.UTC))))
		return
	case metav1.FieldsV1:
		value.Set(reflect.ValueOf(metav1.FieldsV1{Raw: []byte(`{"f:a":{}}`)}))
		return
	case json.RawMessage:
		value.Set(reflect.ValueOf(json.RawMessage(`{"a":[1,1.5,"<"],"b":{}}`)))
		return
	}
	switch value.Kind() {
	case reflect.Bool:
		value.SetBool(random.IntN(4) > 0)
	case reflect.Int32:
		value.SetInt(int64(random.Int32N(100)))
	case reflect.Int64:
		value.SetInt(random.Int64N(5_000_000_000))
	case reflect.String:
		value.SetString(text())
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		fill(random, value.Elem(), probability, depth)
	case reflect.Slice:
		length := 1 + random.IntN(2)
		value.Set(reflect.MakeSlice(value.Type(), length, length))
		for i := range length {
			fill(random, value.Index(i), probability, depth)
		}
	case reflect.Map:
		value.Set(reflect.MakeMap(value.Type()))
		for range 1 + random.IntN(3) {
			element := reflect.New(value.Type().Elem()).Elem()
			fill(random, element, probability, depth)
			value.SetMapIndex(reflect.ValueOf(text()).Convert(value.Type().Key()), element)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() && random.Float64() < probability {
				fill(random, value.Field(i), probability, depth+1)
			}
		}
	}
}
