// Command probe asks a URL and exits 0 if the answer is 200, else 1 with what
// was answered. The images hold no shell and no curl; their health checks run this.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// patience is how long an answer may take: below the health check's own limit,
// so that the reason is told.
const patience = 4 * time.Second

// maxShown is how much of an answer is printed: the list of checks fits.
const maxShown = 4096

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: probe http://127.0.0.1:8080/readyz")
		os.Exit(2)
	}
	if err := probe(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func probe(url string, out io.Writer) error {
	client := http.Client{Timeout: patience}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(out, io.LimitReader(answer.Body, maxShown)); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", answer.Status)
	}
	return nil
}
