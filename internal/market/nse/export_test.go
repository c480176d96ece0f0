package nse

import "time"

// PurposeRatio is what parsePurpose makes of a PURPOSE, as the notes say it.
func PurposeRatio(purpose string) (texts []string, factor float64, err error) {
	found, err := parsePurpose(purpose)
	factor = 1
	for _, a := range found {
		texts = append(texts, a.text)
		factor *= a.ratio.float()
	}
	return texts, factor, err
}

// SimpleRatios is the table against which previous closes are held.
func SimpleRatios() map[string]float64 {
	all := map[string]float64{}
	for _, r := range simpleRatios {
		all[r.ratio.String()] = r.ratio.float()
	}
	return all
}

// Hasten makes the wait between two tries of a download short.
func Hasten(p *Provider) { p.queue.client.retry = time.Millisecond }
