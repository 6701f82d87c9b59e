//! Recognizes column headers in a table of people: the names of our columns, and the words that spreadsheets, address
//! books and other programs use for them.

use std::collections::HashMap;
use std::sync::LazyLock;

use icu_normalizer::DecomposingNormalizer;

/// Synonyms of each column name, separated by commas. They are compared after [`folded`].
const WORDS: [(&str, &str); 15] = [
    (
        "email",
        "mail, email address, mail address, primary email, e-mail 1 - value, e-mail-adresse, mailadresse, adresse \
         e-mail, adresse mail, adresse électronique, adresse de courriel, adresse courriel, courriel, mél, \
         correo, correo electrónico, dirección de correo electrónico, dirección de correo, indirizzo e-mail, \
         indirizzo mail, posta elettronica, endereço de e-mail, correio eletrónico, correio eletrônico, \
         e-mailadres, adres e-mail, adres mailowy, e-mailová adresa, e-postadress, e-post, e-postadresse, mailová \
         adresa, sähköposti, sähköpostiosoite, e-mail cím, adresă de e-mail, e-posta, e-posta adresi, почта, \
         электронная почта, эл. почта, адрес электронной почты, електронна пошта, пошта, имейл, ηλεκτρονικό \
         ταχυδρομείο, メール, メールアドレス, eメール, 电子邮件, 电子邮箱, 邮箱, 邮件地址, 電子郵件, 電郵, 이메일, 이메일 주소, 메일, البريد الإلكتروني, \
         דואר אלקטרוני, אימייל, ईमेल",
    ),
    (
        "language",
        "lang, preferred language, Sprache, langue, idioma, lengua, lingua, língua, taal, język, jazyk, språk, \
         sprog, kieli, nyelv, limbă, limba, dil, язык, мова, език, γλώσσα, 言語, 语言, 語言, 언어, اللغة, שפה, भाषा",
    ),
    (
        "given_name",
        "first name, forename, Vorname, prénom, primer nombre, nombre de pila, primeiro nome, voornaam, imię, \
         jméno, křestní jméno, förnamn, fornavn, etunimi, keresztnév, utónév, prenume, adı, имя, ім'я, име, \
         όνομα, 名, 名字, 이름, الاسم الأول, שם פרטי",
    ),
    (
        "family_name",
        "last name, surname, Nachname, Familienname, Zuname, nom de famille, apellido, apellidos, cognome, \
         sobrenome, apelido, achternaam, nazwisko, příjmení, efternamn, etternavn, efternavn, sukunimi, \
         vezetéknév, családnév, nume de familie, soyad, soyadı, фамилия, прізвище, επώνυμο, 姓, 姓氏, 성, اسم \
         العائلة, שם משפחה",
    ),
    (
        "name",
        "full name, display name, vollständiger Name, nom, nom complet, nombre, nombre completo, nome, nome \
         completo, naam, imię i nazwisko, celé jméno, namn, navn, nimi, név, nume, nume complet, ad soyad, фио, \
         полное имя, пІб, ονοματεπώνυμο, 氏名, 名前, お名前, 姓名, 성명, الاسم, שם מלא, नाम",
    ),
    ("middle_name", "second name, zweiter Vorname, deuxième prénom, segundo nombre, отчество"),
    ("nickname", "Spitzname, surnom, apodo, soprannome, bijnaam, ニックネーム, 昵称, 별명"),
    (
        "preferred_username",
        "username, login, Benutzername, nom d'utilisateur, nombre de usuario, ユーザー名, 用户名",
    ),
    ("salutation", "Anrede, civilité, tratamiento, aanhef, 敬称, обращение"),
    (
        "phone_number",
        "phone, telephone, telephone number, mobile, mobile phone, mobile number, cell phone, phone 1 - value, \
         Telefon, Telefonnummer, Handy, Handynummer, Mobil, Mobiltelefon, téléphone, numéro de téléphone, \
         portable, teléfono, número de teléfono, móvil, telefono, cellulare, telefone, telemóvel, celular, \
         telefoon, telefoonnummer, numer telefonu, telefonní číslo, puhelin, puhelinnumero, telefonszám, телефон, \
         номер телефона, τηλέφωνο, 電話, 電話番号, 电话, 手机, 手机号, 전화, 전화번호, الهاتف, رقم الهاتف, טלפון",
    ),
    (
        "birthdate",
        "birthday, date of birth, birth date, dob, Geburtsdatum, Geburtstag, date de naissance, fecha de \
         nacimiento, data di nascita, data de nascimento, geboortedatum, data urodzenia, datum narození, \
         födelsedatum, fødselsdato, syntymäaika, дата рождения, дата народження, 生年月日, 生日, 出生日期, 생년월일",
    ),
    ("gender", "sex, Geschlecht, sexe, genre, sexo, género, sesso, płeć, пол, 性別, 性别, 성별"),
    ("website", "web site, web page, homepage, Webseite, site web, sitio web, sito web, strona www"),
    (
        "zoneinfo",
        "time zone, Zeitzone, fuseau horaire, zona horaria, fuso orario, часовой пояс, タイムゾーン, 时区",
    ),
    ("picture", "photo, avatar, picture url, photo url"),
];

/// Words for a name that mean only one part of it if the table also has a column for the other part. Each entry is the
/// word, the word for the other part, and the column that the first then means; all are folded.
const PARTS: [(&str, &str, &str); 10] = [
    ("name", "vorname", "family_name"),
    ("nom", "prenom", "family_name"),
    ("naam", "voornaam", "family_name"),
    ("namn", "fornamn", "family_name"),
    ("navn", "fornavn", "family_name"),
    ("nombre", "apellido", "given_name"),
    ("nombre", "apellidos", "given_name"),
    ("nome", "cognome", "given_name"),
    ("nome", "sobrenome", "given_name"),
    ("nome", "apelido", "given_name"),
];

/// Column by folded synonym.
static MEANINGS: LazyLock<HashMap<String, &str>> = LazyLock::new(|| {
    let words = WORDS.iter().flat_map(|(name, words)| words.split(", ").map(|word| (folded(word), *name)));
    words.collect()
});

/// Normalizes a word for comparison: keeps letters and digits, and removes differences of case, accents and width.
pub(super) fn folded(word: &str) -> String {
    let plain = DecomposingNormalizer::new_nfkd().normalize(word);
    plain.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The `known` column that each header means, or `None`.
pub(super) fn meanings(headers: &[String], known: &[&'static str]) -> Vec<Option<&'static str>> {
    let words: Vec<String> = headers.iter().map(|header| folded(header)).collect();
    let names: HashMap<String, &'static str> = known.iter().map(|name| (folded(name), *name)).collect();
    let meaning = |word: &String| names.get(word).or_else(|| MEANINGS.get(word)).copied();
    let mut meanings: Vec<_> = words.iter().map(meaning).collect();
    for (name, other, part) in PARTS {
        let at = words.iter().position(|word| word == name);
        if let Some(at) = at
            && words.iter().any(|word| word == other)
            && !meanings.contains(&Some(part))
        {
            meanings[at] = Some(part);
        }
    }
    meanings.into_iter().map(|name| name.filter(|name| known.contains(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] = ["email", "language", "given_name", "family_name", "name", "userId"];

    fn of<const N: usize>(headers: [&str; N]) -> [Option<&'static str>; N] {
        meanings(&headers.map(str::to_owned), &KNOWN).try_into().unwrap()
    }

    #[test]
    fn header_match_ignores_case_spaces_punctuation_and_accents() {
        for email in ["E-Mail", "e_mail", "EMAIL", " E Mail: ", "Ｅｍａｉｌ", "Correo Electronico", "ﾒｰﾙ"]
        {
            assert_eq!(of([email]), [Some("email")], "{email}");
        }
        assert_eq!(
            of(["user_id", "Given-Name", "pre\u{301}nom"]),
            [Some("userId"), Some("given_name"), Some("given_name")]
        );
    }

    #[test]
    fn every_header_word_maps_to_one_column() {
        let mut seen = HashMap::new();
        for (name, words) in WORDS {
            for word in words.split(", ").chain([name]).map(folded) {
                assert!(!word.is_empty(), "{words}");
                let before = seen.insert(word.clone(), name);
                assert!(before.is_none_or(|before| before == name), "{word}: {before:?} and {name}");
            }
        }
    }

    #[test]
    fn name_beside_a_given_or_family_name_is_the_other_part() {
        assert_eq!(of(["Name", "Vorname"]), [Some("family_name"), Some("given_name")]);
        assert_eq!(of(["Nombre", "Apellidos"]), [Some("given_name"), Some("family_name")]);
        assert_eq!(of(["Name", "Nachname"]), [Some("name"), Some("family_name")]);
        assert_eq!(
            of(["Name", "Vorname", "Nachname"]),
            [Some("name"), Some("given_name"), Some("family_name")]
        );
        assert_eq!(of(["name", "given_name"]), [Some("name"), Some("given_name")]);
    }

    #[test]
    fn unknown_headers_map_to_no_column() {
        assert_eq!(of(["", "Company", "Telefon", "-"]), [None; 4]);
    }
}
