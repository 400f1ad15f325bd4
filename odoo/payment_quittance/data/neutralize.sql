-- A copy of a database takes nobody's money: it forgets where the service is, and by which secrets it is spoken to.
UPDATE payment_provider
   SET state = 'disabled',
       is_published = FALSE,
       quittance_url = NULL,
       quittance_api_key = NULL,
       quittance_signing_secret = NULL,
       quittance_previous_secret = NULL,
       quittance_previous_secret_until = NULL,
       quittance_publishable_key = NULL,
       quittance_instance = NULL,
       quittance_account = NULL,
       quittance_mode = NULL
 WHERE code = 'quittance';
