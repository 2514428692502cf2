// Command argo-hashes writes what sluice-argo needs to compute the hashes that Argo's controller computes: how Go
// writes a pod template and a canary's steps as JSON, as a table in Rust, and templates and steps with their hashes,
// made by Argo's own functions.
//
//	go run . -fields FILE -templates FILE -steps FILE
//
// `cargo xtask generate --argo-hashes` calls it with the places of these files.
package main

import (
	"bytes"
	"flag"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	fields := flag.String("fields", "", "where the table of fields goes")
	templates := flag.String("templates", "", "where the hashes of templates go")
	steps := flag.String("steps", "", "where the hashes of steps go")
	flag.Parse()
	for _, document := range []struct {
		file  string
		write func(*bytes.Buffer)
	}{
		{*fields, writeTable},
		{*templates, writeTemplates},
		{*steps, writeSteps},
	} {
		if document.file == "" {
			continue
		}
		var text bytes.Buffer
		document.write(&text)
		if err := os.WriteFile(document.file, text.Bytes(), 0o644); err != nil {
			log.Fatalf("%s cannot be written: %v", document.file, err)
		}
		log.Printf("%s written", document.file)
	}
}
