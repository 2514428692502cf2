package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math/rand/v2"
	"reflect"
	"strings"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"
)

// Amounts as people write them, and as they should not.
var quantities = []string{
	`"0"`, `"1"`, `1`, `0`, `"1000m"`, `"100m"`, `0.1`, `0.5`, `1.5`, `1e-7`, `1e21`, `1000000`, `-1`, `"0.1"`, `".5"`, `"5."`,
	`"1.5"`, `"1.500"`, `"12.345"`, `"0.100"`, `"01"`, `"+1"`, `"+1.5"`, `"-1"`, `"-0.5"`, `"-1.5Gi"`, `"00"`, `"0m"`, `"0Gi"`,
	`"1024Mi"`, `"1025Mi"`, `"8Gi"`, `"16Mi"`, `"1Gi"`, `"1536Mi"`, `"0.5Gi"`, `"1.5Gi"`, `"0.5Ki"`, `"1.1Ki"`, `"0.0001Ki"`,
	`"1048576Ki"`, `"1048576Gi"`, `"7Ei"`, `"8Ei"`, `"9Ei"`, `"123456789012345678901Ki"`, `"1.23456789012345678901234567890Gi"`,
	`"1k"`, `"1000k"`, `"1500k"`, `"1000"`, `"100000"`, `"1M"`, `"1G"`, `"1T"`, `"1P"`, `"1E"`, `"1000E"`, `"10E"`, `"1n"`, `"0.1n"`,
	`"1u"`, `"1500u"`, `"1.5n"`, `"1e3"`, `"1E3"`, `"1e4"`, `"1.5e3"`, `"1e-3"`, `"1e-10"`, `"1e+3"`, `"12e2"`, `"1e0"`, `"1e30"`,
	`"1e9999999999"`, `"123456789012345678"`, `"1234567890123456789"`, `"12345678901234567890"`, `"0.1234567891"`,
	`"123456789.123456789123"`, `" 1 "`, `"m"`, `"."`, `"+"`, `"Ki"`, `null`, `"9223372036854775807"`, `"9223372036854775808Ki"`,
	`"1000000000000000000000000"`, `"100Mi"`, `"128Mi"`, `"250m"`, `"2"`, `"4Gi"`, `"1.25"`, `"0.001"`, `"1.0"`, `"1.000"`, `"10.000"`,
}

// What Go cannot read: Argo's controller never gets to see such an object.
var refused = []string{
	`"lots"`, `""`, `"1.2.3"`, `"1Q"`, `true`, `{}`, `[]`, `"1Ki-"`, `"1e"`, `"1 Gi"`, `"1mm"`, `"1e1.5"`, `"--1"`, `"1ki"`,
}

// Container fields by text.
var written = []struct{ name, container string }{
	{"nothing", `{}`},
	{"empty lists", `{"name": "", "image": "", "command": [], "args": [], "ports": [], "env": [], "volumeMounts": []}`},
	{"null fields", `{"name": null, "image": null, "command": null, "ports": null, "resources": null, "lifecycle": null, "stdin": null}`},
	{"null in lists", `{"command": [null, "a"], "ports": [null], "env": [null, {"name": "a", "value": null, "valueFrom": null}]}`},
	{"empty objects", `{"lifecycle": {}, "securityContext": {}, "livenessProbe": {}, "resources": {"limits": {}, "requests": null}}`},
	{"null amounts", `{"resources": {"limits": {"cpu": null, "memory": "1Gi"}}}`},
	{"a port by number", `{"livenessProbe": {"httpGet": {"port": 80}}}`},
	{"a port by name", `{"livenessProbe": {"httpGet": {"port": "http"}}}`},
	{"a port by a number as text", `{"livenessProbe": {"tcpSocket": {"port": "80"}}}`},
	{"a port of null", `{"livenessProbe": {"httpGet": {"port": null}}}`},
	{"no port", `{"livenessProbe": {"grpc": {}}}`},
	{"false and zero behind pointers", `{"securityContext": {"runAsNonRoot": false, "runAsUser": 0, "privileged": false}}`},
	{"letters", `{"args": ["<a>&b", "ü日本😀", "\"\\/", "\b\f\n\r\t\u0000\u001f\u007f", "\u2028\u2029", "'%"]}`},
	{"letters of keys", `{"resources": {"limits": {"a<b>&c": "1", "ü": "1", "b": "1", "B": "1", "a/b": "1"}}}`},
	{"numbers at the ends", `{"ports": [{"containerPort": 2147483647, "hostPort": -2147483648}], "securityContext": {"runAsUser": 9223372036854775807, "runAsGroup": -9223372036854775808}}`},
	{"the same as text", `{"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "true"}, {"name": "C", "value": "null"}]}`},
}

// Templates that Go cannot read, for other reasons than an amount.
var misfits = []struct{ name, template string }{
	{"a number for a text", `{"spec": {"containers": [{"name": 1}]}}`},
	{"a text for a number", `{"spec": {"terminationGracePeriodSeconds": "30"}}`},
	{"a fraction for a number", `{"spec": {"terminationGracePeriodSeconds": 1.5}}`},
	{"a number that is too large", `{"spec": {"containers": [{"ports": [{"containerPort": 2147483648}]}]}}`},
	{"a text for a switch", `{"spec": {"hostNetwork": "true"}}`},
	{"a number for a switch", `{"spec": {"hostNetwork": 1}}`},
	{"an object for a list", `{"spec": {"containers": {}}}`},
	{"a list for an object", `{"spec": []}`},
	{"a text for an object", `{"spec": {"affinity": "none"}}`},
	{"a number for a label", `{"metadata": {"labels": {"a": 1}}}`},
	{"a list for labels", `{"metadata": {"labels": []}}`},
	{"a fraction for a port", `{"spec": {"containers": [{"livenessProbe": {"httpGet": {"port": 80.5}}}]}}`},
	{"a switch for a port", `{"spec": {"containers": [{"livenessProbe": {"httpGet": {"port": true}}}]}}`},
	{"a text for a time", `{"metadata": {"deletionTimestamp": "yesterday"}}`},
	{"a number for a time", `{"metadata": {"deletionTimestamp": 1}}`},
	{"a text for a template", `"none"`},
}

func templates() []vector {
	random := rand.New(rand.NewPCG(1, 2))
	var all []vector
	add := func(name, template string) {
		all = append(all, vector{Name: name, Template: served(template)})
	}
	add("nothing", `{}`)
	add("null", `null`)
	add("null within", `{"metadata": null, "spec": null}`)
	add("no containers", `{"spec": {"containers": []}}`)
	add("null containers", `{"spec": {"containers": [null]}}`)
	add("times", `{"metadata": {"creationTimestamp": "2026-11-22T05:00:00+02:00", "deletionTimestamp": "2026-01-02T03:04:05.678Z"}}`)
	add("no time", `{"metadata": {"creationTimestamp": null, "deletionTimestamp": null}}`)
	for _, case_ := range written {
		add("container: "+case_.name, `{"spec": {"containers": [`+case_.container+`]}}`)
	}
	for _, quantity := range append(append([]string{}, quantities...), refused...) {
		add("amount "+quantity, `{"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": `+quantity+`}}}]}}`)
	}
	for _, misfit := range misfits {
		add(misfit.name, misfit.template)
	}
	eachField(reflect.TypeFor[corev1.PodTemplateSpec](), nil, func(path []int, name string) {
		var template corev1.PodTemplateSpec
		fillAt(random, reflect.ValueOf(&template).Elem(), path)
		add("field "+name, text(template))
	})
	for i := range 60 {
		var template corev1.PodTemplateSpec
		fill(random, reflect.ValueOf(&template).Elem(), 0.12, 0)
		add(fmt.Sprintf("random %d", i), text(template))
		if i%3 > 0 {
			count := int32(i - 2)
			all[len(all)-1].Collisions = &count
		}
	}
	return all
}

func steps() []vector {
	random := rand.New(rand.NewPCG(3, 4))
	var all []vector
	add := func(name, steps string) { all = append(all, vector{Name: name, Steps: served(steps)}) }
	for _, steps := range []string{
		`null`, `[]`, `[{}]`, `[{"setWeight": 0}]`, `[{"pause": {}}]`, `[{"pause": {"duration": 10}}, {"pause": {"duration": "10m"}}]`,
		`[{"pause": {"duration": "10"}}]`, `[{"experiment": {"templates": [{"name": "a", "specRef": "stable"}]}}]`,
		`[{"setCanaryScale": {"matchTrafficWeight": true}}, {"setCanaryScale": {"replicas": 0}}]`,
		`[{"plugin": {"name": "a", "config": {"b": [1, 1.5, 1e-7, 1e21, "<&>", null, true, {}, []], "a": "é\u2028"}}}]`,
		`[{"setHeaderRoute": {"name": "a", "match": [{"headerName": "b", "headerValue": {"exact": "c<d"}}]}}, {"setHeaderRoute": {"name": "a"}}]`,
		`[{"setMirrorRoute": {"name": "a", "percentage": 35, "match": [{"method": {"exact": "GET"}, "path": {"prefix": "/"}, "headers": {"b": {"regex": "c.*"}, "A": {"exact": ""}}}]}}]`,
		`[{"analysis": {"templates": [{"templateName": "a", "clusterScope": true}], "args": [{"name": "b", "value": ""}, {"name": "c", "valueFrom": {"podTemplateHashValue": "Latest"}}, {"name": "d", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}}]`,
	} {
		add(steps, steps)
	}
	eachField(reflect.TypeFor[v1alpha1.CanaryStep](), nil, func(path []int, name string) {
		var step v1alpha1.CanaryStep
		fillAt(random, reflect.ValueOf(&step).Elem(), path)
		add("field "+name, text([]v1alpha1.CanaryStep{step}))
	})
	for i := range 40 {
		steps := make([]v1alpha1.CanaryStep, 1+i%4)
		for at := range steps {
			fill(random, reflect.ValueOf(&steps[at]).Elem(), 0.3, 0)
		}
		add(fmt.Sprintf("random %d", i), text(steps))
	}
	return all
}

func text(value any) string {
	written, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	// A list that an API server asks for is there.
	return strings.ReplaceAll(string(written), `"templates":null`, `"templates":[]`)
}

// An object as an API server shows it: keys sorted, numbers in Go's form.
func served(text string) json.RawMessage {
	var generic any
	if err := kjson.UnmarshalCaseSensitivePreserveInts([]byte(text), &generic); err != nil {
		log.Fatalf("%s: %v", text, err)
	}
	written, err := json.Marshal(generic)
	if err != nil {
		log.Fatalf("%s: %v", text, err)
	}
	return written
}

// Calls back for each field, also within what the first two levels have: "spec.containers.ports".
func eachField(typ reflect.Type, path []int, call func(path []int, name string)) {
	var visit func(typ reflect.Type, path []int, names []string)
	visit = func(typ reflect.Type, path []int, names []string) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if _, is := special[typ]; is || typ.Kind() != reflect.Struct || len(names) > 3 {
			if len(names) > 0 {
				call(path, strings.Join(names, "."))
			}
			return
		}
		for i := range typ.NumField() {
			member := typ.Field(i)
			name, _, _ := strings.Cut(member.Tag.Get("json"), ",")
			if name == "-" || !member.IsExported() {
				continue
			}
			inner := append(append([]int{}, path...), i)
			if name == "" {
				visit(member.Type, inner, names)
			} else {
				visit(member.Type, inner, append(append([]string{}, names...), name))
			}
		}
	}
	visit(typ, path, nil)
}
