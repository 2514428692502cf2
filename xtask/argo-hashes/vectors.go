package main

import (
	"bytes"
	"encoding/json"
	"log"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/conditions"
	"github.com/argoproj/argo-rollouts/utils/hash"
	kjson "sigs.k8s.io/json"
)

// vector is a line: what an API server shows, and the hash that Argo's controller computes from it; no hash when it
// cannot read the object.
type vector struct {
	Name       string          `json:"name"`
	Template   json.RawMessage `json:"template,omitempty"`
	Steps      json.RawMessage `json:"steps,omitempty"`
	Collisions *int32          `json:"collisions,omitempty"`
	Hash       string          `json:"hash,omitempty"`
}

func writeTemplates(out *bytes.Buffer) {
	for _, vector := range templates() {
		rollout, err := read(`{"spec": {"template": ` + string(vector.Template) + `}}`)
		if err == nil {
			vector.Hash = hash.ComputePodTemplateHash(&rollout.Spec.Template, vector.Collisions)
		}
		line(out, vector)
	}
}

func writeSteps(out *bytes.Buffer) {
	for _, vector := range steps() {
		rollout, err := read(`{"spec": {"strategy": {"canary": {"steps": ` + string(vector.Steps) + `}}}}`)
		if err != nil {
			log.Fatalf("%s: %v", vector.Name, err)
		}
		vector.Hash = conditions.ComputeStepHash(rollout)
		line(out, vector)
	}
}

// The Rollout as Argo's controller sees it: read by its client, written and read again.
func read(text string) (*v1alpha1.Rollout, error) {
	var asRead v1alpha1.Rollout
	if err := kjson.UnmarshalCaseSensitivePreserveInts([]byte(text), &asRead); err != nil {
		return nil, err
	}
	written, err := json.Marshal(&asRead)
	if err != nil {
		return nil, err
	}
	var rollout v1alpha1.Rollout
	return &rollout, json.Unmarshal(written, &rollout)
}

func line(out *bytes.Buffer, vector vector) {
	text, err := json.Marshal(vector)
	if err != nil {
		log.Fatalf("%s: %v", vector.Name, err)
	}
	out.Write(text)
	out.WriteByte('\n')
}
