package banksim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind of request that a behaviour is for.
type kind uint8

const (
	kindLoad kind = iota
	kindReversal
	kindSignOn
	kindSignOff
	kindEcho
	kindQuery
	kindTotals
	kindSigning
	kindKey
	kindWithdrawal
	kindBalance
	kindCount
)

var kindNames = [kindCount]string{"load", "reversal", "sign-on", "sign-off", "echo", "query", "totals", "signing", "key", "withdrawal", "balance"}

// verb is what the bank does with a request.
type verb uint8

const (
	verbApprove verb = iota
	verbDecline
	verbDelay          // does it now, answers later
	verbSlow           // does it later
	verbDrop           // does it, never answers
	verbLose           // never heard of it
	verbTwice          // answers twice
	verbClose          // closes the link instead
	verbDoneClose      // does it, then closes the link instead of an answer
	verbLate           // answers after the reversal was answered
	verbWrongAmount    // answers with another amount
	verbWrongReference // answers with another reference
	verbWrongMAC       // answers with another MAC
	verbGarbage        // answers with bytes that are no message
	verbContradict     // approves, then declines; the approval is what the books say
	verbRecant         // declines, then does it and approves after all
	verbWrongCheck     // sends a key with another check value
	verbCount
)

var verbNames = [verbCount]string{
	"approve", "decline", "delay", "slow", "drop", "lose", "twice", "close", "done-close", "late", "wrong-amount", "wrong-reference",
	"wrong-mac", "garbage", "contradict", "recant", "wrong-check",
}

// onlyLoads are verbs that mean something for loads alone, and but for verbLate for withdrawals; onlyLoadsAndQueries for queries, too, and onlyAmounts for
// all that tells an amount.
var (
	onlyLoads           = []verb{verbLate, verbContradict, verbRecant}
	onlyLoadsAndQueries = []verb{verbWrongReference}
	onlyAmounts         = []verb{verbWrongAmount}
)

// behaviour towards one request.
type behaviour struct {
	verb  verb
	code  string        // decline
	after time.Duration // delay, slow
}

// Verbs calls visit with every verb of the script language.
func Verbs(visit func(verb string)) {
	for _, name := range verbNames {
		visit(name)
	}
}

// program says what the bank does next with each kind of request: the steps of a script in their order, then what is drawn from the mix,
// then what the script calls always, then approval.
type program struct {
	steps  [kindCount][]behaviour
	always [kindCount]behaviour
	mix    [kindCount][]share
	random *rand.Rand
}

// share of a mix.
type share struct {
	weight int
	behaviour
}

// next takes the behaviour for a request.
func (p *program) next(k kind) behaviour {
	if steps := p.steps[k]; len(steps) > 0 {
		p.steps[k] = steps[1:]
		return steps[0]
	}
	total := 0
	for _, s := range p.mix[k] {
		total += s.weight
	}
	if total == 0 {
		return p.always[k]
	}
	drawn := p.random.IntN(total)
	for _, s := range p.mix[k] {
		if drawn -= s.weight; drawn < 0 {
			return s.behaviour
		}
	}
	return behaviour{}
}

// addScript appends a script:
//
//	approve; 3x drop; decline 51; delay 2s; reversal: lose; reversal: decline 96; echo: always lose
//
// A step is [kind:] [always | Nx] verb [code or duration]. Kinds are load (when none is named), reversal, query, sign-on, sign-off, echo,
// totals and key; each kind takes its own steps in their order. Steps end with a semicolon or a line; # starts a remark.
func (p *program) addScript(text string) error {
	return eachStep(text, func(k kind, words []string) error {
		if words[0] == "always" {
			b, err := parseBehaviour(k, words[1:])
			p.always[k] = b
			return err
		}
		times := 1
		if n, err := strconv.Atoi(strings.TrimSuffix(words[0], "x")); err == nil && n > 0 && strings.HasSuffix(words[0], "x") {
			times, words = n, words[1:]
		}
		b, err := parseBehaviour(k, words)
		for range times {
			p.steps[k] = append(p.steps[k], b)
		}
		return err
	})
}

// addMix reads shares: "970 approve; 20 decline 51; 5 delay 3s; reversal: 1 lose; reversal: 9 approve".
func (p *program) addMix(text string) error {
	return eachStep(text, func(k kind, words []string) error {
		weight, err := strconv.Atoi(words[0])
		if err != nil || weight < 1 || weight > 1_000_000 {
			return fmt.Errorf("须以 1 至 1000000 的份数开头 / must begin with its share, 1 to 1000000")
		}
		b, err := parseBehaviour(k, words[1:])
		p.mix[k] = append(p.mix[k], share{weight, b})
		return err
	})
}

// eachStep splits a text into steps. Errors name the step.
func eachStep(text string, visit func(kind, []string) error) error {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for step := range strings.SplitSeq(line, ";") {
			words := strings.Fields(step)
			if len(words) == 0 {
				continue
			}
			k := kindLoad
			if name, ok := strings.CutSuffix(words[0], ":"); ok {
				at := slices.Index(kindNames[:], name)
				if at < 0 || len(words) == 1 {
					return fmt.Errorf("%q: 前缀须为 / a step's kind must be one of %s", strings.TrimSpace(step), strings.Join(kindNames[:], " "))
				}
				k, words = kind(at), words[1:]
			}
			if err := visit(k, words); err != nil {
				return fmt.Errorf("%q: %w", strings.TrimSpace(step), err)
			}
		}
	}
	return nil
}

// parseBehaviour reads: verb [code or duration].
func parseBehaviour(k kind, words []string) (behaviour, error) {
	if len(words) == 0 {
		words = []string{""}
	}
	at := slices.Index(verbNames[:], words[0])
	if at < 0 {
		return behaviour{}, fmt.Errorf("动作须为 / the verb must be one of %s", strings.Join(verbNames[:], " "))
	}
	b := behaviour{verb: verb(at)}
	if k != kindLoad && !(k == kindWithdrawal && b.verb != verbLate) && (slices.Contains(onlyLoads, b.verb) || k != kindQuery && slices.Contains(onlyLoadsAndQueries, b.verb) ||
		k != kindQuery && k != kindTotals && slices.Contains(onlyAmounts, b.verb)) {
		return b, fmt.Errorf("%s 只用于圈存 / %s is for loads only", words[0], words[0])
	}
	if b.verb == verbWrongCheck && k != kindKey {
		return b, fmt.Errorf("%s 只用于换密钥 / %s is for keys only", words[0], words[0])
	}
	argument := strings.Join(words[1:], " ")
	var err error
	switch {
	case b.verb == verbDecline && len(argument) == 2:
		b.code = argument
	case b.verb == verbDecline:
		err = fmt.Errorf("decline 后须有两位应答码 / decline needs a response code of two characters")
	case b.verb == verbDelay || b.verb == verbSlow:
		if b.after, err = time.ParseDuration(argument); err != nil || b.after < 0 {
			err = fmt.Errorf("%s 后须有时长,如 2s / %s needs a duration such as 2s", words[0], words[0])
		}
	case argument != "":
		err = fmt.Errorf("%s 后不应有 %q / %s takes no argument", words[0], argument, words[0])
	}
	return b, err
}
