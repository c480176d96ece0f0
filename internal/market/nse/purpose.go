package nse

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// What the exchange writes as PURPOSE is prose that changes over the years:
//
//	Bonus 1:1
//	Annual General Meeting/Dividend - Rs 3 Per Share/Bonus 1: 1 (Revised)
//	Face Value Split (Sub-Division) - From Rs 10/- Per Share To Rs 2/- Per Share
//	Fv Splt Frm Rs 10 To Re 1
//	Consolidation Of Equity Shares From Re 1 Per Share To Rs 10 Per Share
//	Interim Dividend - Rs 5 Per Share/Special Dividend - Rs 7.50 Per Share
//
// The expressions work on lower case with single spaces. What mentions a bonus
// or a split and fits none of them is an error, never a ratio of 1.
var (
	mentionBonus = regexp.MustCompile(`\bbonus`)
	mentionSplit = regexp.MustCompile(`spli?t|sub-? ?division|consolidation`)
	mentionLeft  = regexp.MustCompile(`rights|demerger|scheme of|capital reduction|spin-? ?off`)
	undone       = regexp.MustCompile(`cancel|withdraw|postpone|defer`)
	// A bonus of preference shares or debentures does not change the number of shares.
	otherPaper = regexp.MustCompile(`ncrps|ccps|\bncds?\b|debenture|preference|warrant`)

	bonusRatio   = regexp.MustCompile(`\bbonus(?: (?:issue|shares?|equity|of|in the ratio))* ?[-–:]? ?(?:of )?(\d{1,4}) ?: ?(\d{1,4})\b`)
	dividendPaid = regexp.MustCompile(`\bdiv(?:idend)?\b[^0-9/+]*?\br[se]\.? ?-? ?(\d[\d,]*(?:\.\d+)?)`)
	faceValues   = regexp.MustCompile(`(?:from|frm) r[se]\.? ?-? ?(\d{1,4}(?:\.\d{1,2})?)(?: ?/-)?(?: ?per share| each)? ?to r[se]\.? ?-? ?(\d{1,4}(?:\.\d{1,2})?)\b`)
)

// parsePurpose returns the actions in a PURPOSE: none for meetings, kindDividend
// for dividends of so many rupees, kindLeft for what changes prices in a way that
// no ratio says.
func parsePurpose(purpose string) ([]action, error) {
	text := strings.Join(strings.Fields(strings.ToLower(purpose)), " ")
	bonuses := len(mentionBonus.FindAllString(text, -1))
	splits := mentionSplit.MatchString(text)
	if bonuses > 0 && !splits && otherPaper.MatchString(text) {
		return paid(purpose, text), nil
	}
	if (bonuses > 0 || splits) && undone.MatchString(text) {
		return nil, unread(purpose)
	}
	var found []action
	ratios := bonusRatio.FindAllStringSubmatch(text, -1)
	if len(ratios) != bonuses || bonuses > 1 {
		return nil, unread(purpose)
	}
	for _, match := range ratios {
		r, err := parseRatio(match[1] + ":" + match[2])
		if err != nil {
			return nil, unread(purpose)
		}
		found = append(found, action{kind: kindBonus, ratio: ratio{r.num + r.den, r.den}, text: kindBonus + " " + r.String()})
	}
	if splits {
		values := faceValues.FindAllStringSubmatch(text, -1)
		if len(values) != 1 {
			return nil, unread(purpose)
		}
		before, after := paise(values[0][1]), paise(values[0][2])
		if before == 0 || after == 0 || before == after {
			return nil, unread(purpose)
		}
		r := ratio{before, after}.reduced()
		found = append(found, action{kind: kindSplit, ratio: r, text: kindSplit + " " + r.String()})
	}
	if found == nil && mentionLeft.MatchString(text) {
		found = append(found, action{kind: kindLeft, ratio: ratio{1, 1}, text: strings.TrimSpace(purpose)})
	}
	return append(found, paid(purpose, text)...), nil
}

// paid returns the dividends in a purpose as one action, or none; text is the
// purpose in lower case.
func paid(purpose, text string) []action {
	sum := 0.0
	for _, match := range dividendPaid.FindAllStringSubmatch(text, -1) {
		amount, err := strconv.ParseFloat(strings.ReplaceAll(match[1], ",", ""), 64)
		if err != nil {
			return nil
		}
		sum += amount
	}
	if sum == 0 {
		return nil
	}
	return []action{{kind: kindDividend, ratio: ratio{1, 1}, paid: sum, text: strings.TrimSpace(purpose)}}
}

// paise is a face value, matched by faceValues, in hundredths of a rupee.
func paise(text string) int64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return int64(value*100 + 0.5)
}

func unread(purpose string) error {
	return fmt.Errorf("the purpose %s speaks of a split or bonus in words that are not known; "+
		"say it in actions.csv as symbol,ex_date,kind,ratio", quoted(purpose))
}
